// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Runner {
    /// The way of packets through the plugin's tunnel and through the same one made by hand, which is the floor.
    func measureTunnels() throws -> [Row] {
        var rows: [Row] = []
        for shape in TunnelNetwork.Shape.allCases {
            let name = "\(shape.rawValue) tunnel"
            var stream = Row("\(name), 8 MiB by TCP; floor: by hand", .milliseconds)
            var latency = Row("\(name), 100 round trips; floor: by hand", .milliseconds)
            // Made anew several times, because where things come to lie in memory makes a difference too.
            for _ in 0..<min(5, rounds) {
                let byHand = try TunnelNetwork.madeByHand(shape, namespaces)
                let mine = try TunnelNetwork.made(shape, by: ours, namespaces)
                let ways = try [byHand, mine].map {
                    try Exchange(from: $0.containers[0], to: $0.addresses[1], in: $0.containers[1])
                }
                for way in ways { _ = try way.stream(64 << 20) }

                func pass(_ way: Exchange, _ side: WritableKeyPath<Row, [Double]>) throws {
                    stream[keyPath: side].append(try way.stream(8 << 20))
                    latency[keyPath: side].append(try way.roundTrips(100))
                }
                try interleave(rounds, [{ _ in try pass(ways[0], \.floor) }, { _ in try pass(ways[1], \.ours) }])
            }
            rows += [stream, latency]
            rows.append(Row("\(name), time of bytes to that by hand", ratiosIn: stream, atMost: 1.03))
            rows.append(Row("\(name), time of round trips to that by hand", ratiosIn: latency, atMost: 1.03))
        }
        return rows
    }
}
