// SPDX-License-Identifier: Apache-2.0

import CNI

PluginMain.run(Vxlan.self)
