// SPDX-License-Identifier: Apache-2.0

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
                FlowPattern(transport: 17, source: client, sourcePort: source, destination: host, destinationPort: port)
                    .put(.init(rawValue: 1), into: &batch)
                FlowPattern(transport: 17, source: host, sourcePort: port, destination: client, destinationPort: source)
                    .put(.init(rawValue: 2), into: &batch)
                // CTA_TIMEOUT.
                batch.put(7, UInt32(600).bigEndian)
            }
            try socket.send(batch)
        }
    }
}
