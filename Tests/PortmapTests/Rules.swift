// SPDX-License-Identifier: Apache-2.0

import Support

/// What the packet filter of the namespace of the calling thread holds.
typealias Rules = PacketFilter
