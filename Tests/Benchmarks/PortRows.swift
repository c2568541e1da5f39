// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Runner {
    /// An attachment to a bridge with many ports against one to an empty bridge.
    ///
    /// The ports are made by the suite itself, because what it sets on them decides how much noise they make. For the
    /// same reason one suite is measured after the other, and the empty bridge while there is no crowd on the host:
    /// half of its rounds before the crowd comes, half after it has gone.
    func measurePorts() throws -> [Row] {
        let count = 500
        var empty = Row("ADD to an empty bridge", .milliseconds)
        var full = Row("ADD to a bridge with \(count) ports", .milliseconds)
        var ratio = Row("\(count) ports vs none, ADD", .ratio, ofItself: 1.3)
        let paths = try namespaces.paths(count + 1)
        let last = paths[count]

        func pass(_ suite: Suite, octet: Int, rounds: Int, _ side: WritableKeyPath<Row, [Double]>) throws {
            let network = try BridgeNetwork(suite, "ports", octet: octet)
            let neighbours = (1...count).map { network.container($0, in: paths[$0 - 1]) }
            let half = (rounds + 1) / 2

            func attach(_ rounds: Int, _ row: inout Row) throws {
                for _ in 0..<rounds {
                    let container = network.container(count + 1, in: last)
                    row[keyPath: side].append(try network.add(container))
                    _ = try network.delete(container)
                }
            }
            try network.warmUp(in: last)
            try attach(half, &empty)
            for batch in neighbours.batches(of: 10) { _ = try Call.runTogether(batch.map(network.addCall)) }
            // The newest neighbours still announce themselves for a moment.
            sleep(3)
            try attach(rounds, &full)
            for batch in neighbours.batches(of: 50) { _ = try Call.runTogether(batch.map(network.deleteCall)) }
            sleep(3)
            try attach(half, &empty)
            ratio[keyPath: side] = [full[keyPath: side].median / empty[keyPath: side].median]
        }
        try pass(ours, octet: 30, rounds: min(rounds, 50), \.ours)
        try pass(reference, octet: 31, rounds: min(rounds, 20), \.reference)
        return [empty, full, ratio]
    }
}

extension Array {
    /// The elements in order, in pieces of at most `size`.
    func batches(of size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}
