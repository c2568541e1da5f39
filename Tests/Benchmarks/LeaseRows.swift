// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Runner {
    /// The numbers of leases that are compared.
    private static let sizes = [10, 1_000, 10_000, 60_000]

    /// One lease taken and returned, with few and with many others in the store.
    func measureLeases() throws -> [Row] {
        let mine = try Self.sizes.map { try LeaseNetwork(ours, leases: $0) }
        let theirs = try Self.sizes.map { try LeaseNetwork(reference, leases: $0) }
        var add = Self.sizes.map { Row("host-local ADD, \($0) leases", .milliseconds) }
        var delete = Self.sizes.map { Row("host-local DEL, \($0) leases", .milliseconds) }

        func pass(_ network: LeaseNetwork, _ index: Int, _ round: Int, _ side: WritableKeyPath<Row, [Double]>) throws {
            let container = network.container(round)
            add[index][keyPath: side].append(try network.call("ADD", container).run())
            delete[index][keyPath: side].append(try network.call("DEL", container).run())
        }
        // The reference reads the whole store, which also throws everything else out of the caches: so our sizes
        // take their turns among themselves first.
        for round in 1...rounds {
            for index in Self.order(round) { try pass(mine[index], index, round, \.ours) }
            for index in Self.order(round) where (round - 1).isMultiple(of: Self.interval(Self.sizes[index])) {
                try pass(theirs[index], index, round, \.reference)
            }
        }
        let ratios = [("ADD", add), ("DEL", delete)].map { Self.ratio($0, $1) }
        return add + delete + ratios + [Self.rebuild(mine, theirs)]
    }

    /// The sizes forwards in one round and backwards in the next.
    private static func order(_ round: Int) -> [Int] {
        round.isMultiple(of: 2) ? sizes.indices.reversed() : Array(sizes.indices)
    }

    /// After how many rounds the reference takes its next turn: the more leases, the dearer a turn.
    private static func interval(_ leases: Int) -> Int {
        leases >= 60_000 ? 10 : leases >= 10_000 ? 5 : 1
    }

    /// The most leases against the fewest.
    private static func ratio(_ command: String, _ rows: [Row]) -> Row {
        var row = Row("host-local \(command), 60,000 vs 10 leases", .ratio, ofItself: 1.2)
        guard let few = rows.first, let many = rows.last else { return row }
        row.ours = [many.ours.median / few.ours.median]
        row.reference = [many.reference.median / few.reference.median]
        return row
    }

    /// The first call on a full store, in which our plugin builds its index.
    private static func rebuild(_ mine: [LeaseNetwork], _ theirs: [LeaseNetwork]) -> Row {
        var row = Row("index rebuild, 60,000 leases (first ADD)", .milliseconds)
        row.ours = [mine.last?.firstCall].compactMap { $0 }
        row.reference = [theirs.last?.firstCall].compactMap { $0 }
        return row
    }
}
