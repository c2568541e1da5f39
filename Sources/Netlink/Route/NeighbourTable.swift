// SPDX-License-Identifier: Apache-2.0

import Addressing
import CLibMNL

/// The kernel's table of neighbours of one version of IP, which all namespaces of a machine share: ip-ntable(8).
public struct NeighbourTable: Equatable, Sendable {
    /// The version of IP.
    public let family: IPAddress.Family
    /// How many entries there are.
    public let count: Int
    /// How many there can be, but for permanent ones: gc_thresh3.
    public let limit: Int
    /// Whether there have ever been so many, permanent ones not counted, that the kernel looked for some to drop: gc_thresh2.
    public let wasCrowded: Bool

    /// Reads a message RTM_NEWNEIGHTBL; nothing if it is another, or about one interface, or of another protocol.
    init?(_ message: Message) {
        // Behind a ndtmsg, whose first byte is the family.
        let attributes = message.attributes(after: MemoryLayout<ndtmsg>.size)
        // The third member of a ndt_config is the number of entries; the tenth of a ndt_stats counts the forced clean-ups.
        guard message.type == UInt16(RTM_NEWNEIGHTBL), let number = message.payload.first,
            let limit = attributes.first(Int(NDTA_THRESH3))?.uint32,
            let count = attributes.first(Int(NDTA_CONFIG))?.value.integer(UInt32.self, at: 4),
            let cleanups = attributes.first(Int(NDTA_STATS))?.value.integer(UInt64.self, at: 72)
        else {
            return nil
        }
        if number == IPAddress.Family.v4.kernelValue {
            family = .v4
        } else if number == IPAddress.Family.v6.kernelValue {
            family = .v6
        } else {
            return nil
        }
        (self.count, self.limit, wasCrowded) = (Int(count), Int(limit), cleanups > 0)
    }
}
