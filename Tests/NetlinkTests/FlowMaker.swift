// SPDX-License-Identifier: Apache-2.0

import Addressing
import Linux

@testable import Netlink

/// Makes many flows at once, which conntrack(8) would need a process each for.
enum FlowMaker {
    /// Adds flows of UDP from as many sources to one port.
    static func addFlows(_ count: Int, toPort port: UInt16, at text: String) throws {
        var socket = try NetlinkSocket<NetlinkError>.open(protocol: 12)
        let host = try address(text)
        for start in stride(from: 0, to: count, by: 50) {
            var batch = MessageBatch()
            for number in start..<min(start + 50, count) {
                let client = try address("198.18.\(number >> 8 & 255).\(number & 255)")
                let source = UInt16(1024 + number >> 16)
                // NLM_F_CREATE.
                batch.begin("add a flow", MessageBatch.flowType(.init(rawValue: 0)), 0x400, host.family.netfilterHeader)
                tuple(1, &batch, client, source, host, port)
                tuple(2, &batch, host, port, client, source)
                // CTA_TIMEOUT.
                batch.put(7, UInt32(600).bigEndian)
            }
            try socket.send(batch)
        }
    }

    /// Puts one direction: CTA_TUPLE_ORIG or CTA_TUPLE_REPLY, with the addresses and the ports.
    private static func tuple(
        _ type: Int,
        _ batch: inout MessageBatch,
        _ source: IPAddress,
        _ sourcePort: UInt16,
        _ destination: IPAddress,
        _ destinationPort: UInt16
    ) {
        batch.nest(type) {
            $0.nest(1) {
                $0.put(1, source.bytes)
                $0.put(2, destination.bytes)
            }
            $0.nest(2) {
                $0.put(1, 17 as UInt8)
                $0.put(2, sourcePort.bigEndian)
                $0.put(3, destinationPort.bigEndian)
            }
        }
    }
}
