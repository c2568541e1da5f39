// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Runner {
    /// The chain of bridge with masquerade, host-local, portmap, firewall and tuning, one container at a time.
    func measureChain() throws -> [Row] {
        var add = Row("full chain ADD", .milliseconds, ofReference: 0.1)
        var delete = Row("full chain DEL", .milliseconds, ofReference: 0.2)
        var publish = Row("portmap ADD in it", .milliseconds)
        var withdraw = Row("portmap DEL in it", .milliseconds)
        let paths = try namespaces.paths(4)
        let mine = try ChainNetwork(ours, "chain", host: try namespaces.host("ours"), octet: 40)
        let theirs = try ChainNetwork(reference, "chain", host: try namespaces.host("reference"), octet: 41)
        // A host that has a container already, as most have.
        for (network, path) in [(mine, paths[2]), (theirs, paths[3])] {
            _ = try network.add(network.container(0, in: path))
        }

        func pass(_ network: ChainNetwork, _ number: Int, _ path: String, _ side: WritableKeyPath<Row, [Double]>) throws
        {
            let container = network.container(number, in: path)
            let adds = try network.add(container, ports: 1)
            let deletions = try network.deletions(container)
            add[keyPath: side].append(adds.reduce(0, +))
            delete[keyPath: side].append(deletions.reduce(0, +))
            publish[keyPath: side].append(adds[1])
            withdraw[keyPath: side].append(deletions[1])
        }
        try interleave(
            min(rounds, max(5, rounds / 3)),
            [
                { try pass(mine, $0, paths[0], \.ours) },
                { try pass(theirs, $0, paths[1], \.reference) },
            ]
        )
        for (network, path) in [(mine, paths[2]), (theirs, paths[3])] {
            _ = try network.delete(network.container(0, in: path))
        }
        return [add, delete, publish, withdraw]
    }

    /// Twenty chains at once.
    func measureParallelChains() throws -> [Row] {
        let count = 20
        var row = Row("\(count) parallel full chains, ADD", .milliseconds)
        let paths = try namespaces.paths(count)
        let mine = try ChainNetwork(ours, "chains", host: try namespaces.host("ours-many"), octet: 42)
        let theirs = try ChainNetwork(reference, "chains", host: try namespaces.host("reference-many"), octet: 43)

        func pass(_ network: ChainNetwork, _ round: Int) throws -> Double {
            let containers = paths.enumerated().map { network.container(round * count + $0, in: $1) }
            let begin = Clock.milliseconds
            let failures = Failures()
            DispatchQueue.concurrentPerform(iterations: count) { place in
                do {
                    _ = try network.add(containers[place], ports: 1, from: 10000 + place)
                } catch {
                    failures.add("\(error)")
                }
            }
            let time = Clock.milliseconds - begin
            for container in containers { _ = try network.delete(container) }
            if let first = failures.all.first { throw Failure("\(network.name): \(first)") }
            return time
        }
        try interleave(
            min(rounds, 3),
            [
                { row.ours.append(try pass(mine, $0)) },
                { row.reference.append(try pass(theirs, $0)) },
            ]
        )
        return [row]
    }

    /// Many ports at one container, and many at others.
    func measureMappings() throws -> [Row] {
        var one = Row("portmap ADD, 1 port", .milliseconds)
        var many = Row("portmap ADD, 500 ports", .milliseconds)
        var amongMany = Row("portmap ADD, 1 port beside 10,000", .milliseconds)
        var ratio = Row("500 ports vs one, ADD", .ratio, ofItself: 2.0)
        var flat = Row("beside 10,000 ports vs alone, ADD", .ratio, ofItself: 1.2)
        var rate = Row("new connections beside 10,000 ports vs 10, time", .ratio, ofItself: 1.1)
        let paths = try namespaces.paths(23)
        let host = try namespaces.host("mappings")
        let network = try ChainNetwork(ours, "maps", host: host, octet: 44)
        let resident = network.container(0, in: paths[0])
        _ = try network.add(resident, ports: 10, from: 2000)
        let listener = try Listener(in: paths[0], port: 80)
        let turns = min(rounds, 30)

        func measure(_ ports: Int, _ row: inout Row) throws {
            for turn in 0..<turns {
                let container = network.container(turn + 1, in: paths[1])
                row.ours.append(try network.add(container, ports: ports, from: 5000)[1])
                _ = try network.delete(container)
            }
        }
        try measure(1, &one)
        try measure(500, &many)
        let few = try (0..<5).map { _ in try listener.connect(2000, from: host, to: "10.44.0.1", port: 2000) }
        for crowd in 2..<22 {
            let container = network.container(1000 + crowd, in: paths[crowd])
            _ = try network.add(container, ports: 500, from: 10000 + crowd * 500)
        }
        try measure(1, &amongMany)
        let crowded = try (0..<5).map { _ in try listener.connect(2000, from: host, to: "10.44.0.1", port: 2000) }
        for crowd in 2..<22 { _ = try network.delete(network.container(1000 + crowd, in: paths[crowd])) }
        _ = try network.delete(resident)
        ratio.ours = [many.ours.median / one.ours.median]
        flat.ours = [amongMany.ours.median / one.ours.median]
        rate.ours = [crowded.median / few.median]
        return [one, many, amongMany, ratio, flat, rate]
    }
}

/// What went wrong on several threads.
private final class Failures: @unchecked Sendable {
    private let lock = NSLock()
    private var texts: [String] = []

    /// Notes a failure.
    func add(_ text: String) { lock.withLock { texts.append(text) } }

    /// What was noted.
    var all: [String] { lock.withLock { texts } }
}
