// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Runner {
    /// The peak memory of a process and of the plugin that it calls.
    func measureMemory() throws -> [Row] {
        let times = min(rounds, 5)
        let leases = 60_000
        var version = Row("peak memory, bridge VERSION", .kibibytes, ofReference: 0.3)
        var bridge = Row("peak memory, bridge + host-local ADD", .kibibytes, ofReference: 0.3)
        var lease = Row("peak memory, host-local ADD, 60,000 leases", .kibibytes, ofReference: 0.3)

        func pass(_ suite: Suite, octet: Int, _ side: WritableKeyPath<Row, [Double]>) throws {
            let path = try namespaces.paths(1)[0]
            let network = try BridgeNetwork(suite, "memory", octet: octet)
            let store = try LeaseNetwork(suite, leases: leases)
            try network.warmUp(in: path)
            for round in 1...times {
                version[keyPath: side].append(try peakMemory(of: suite.version(of: "bridge")))
                let container = network.container(round, in: path)
                bridge[keyPath: side].append(try peakMemory(of: network.addCall(container)))
                _ = try network.delete(container)
                let holder = store.container(-round)
                lease[keyPath: side].append(try peakMemory(of: store.call("ADD", holder)))
                try store.call("DEL", holder).run()
            }
        }
        for _ in 1...times {
            version.floor.append(try peakMemory(of: Call(program: floor, arguments: ["version"])))
        }
        try pass(ours, octet: 50, \.ours)
        try pass(reference, octet: 51, \.reference)
        return [version, bridge, lease]
    }

    /// The peak resident memory of a call in KiB.
    ///
    /// A process begins with the peak of the one that started it, so the C program, which is small, starts it.
    func peakMemory(of call: Call) throws -> Double {
        var launched = call
        launched.program = floor
        launched.arguments = ["rss", call.program] + call.arguments
        try launched.run()
        let text = try String(contentsOfFile: launched.errors ?? "", encoding: .utf8)
        guard let line = text.split(separator: "\n").last, let kibibytes = Double(line) else {
            throw Failure("floor rss printed no number:\n\(text)")
        }
        return kibibytes
    }
}
