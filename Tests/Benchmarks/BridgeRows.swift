// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Runner {
    /// One attachment at a time, and its removal.
    func measureBridge() throws -> [Row] {
        var add = Row("bridge + host-local ADD", .milliseconds, ofFloor: 2.5, ofReference: 0.3)
        var delete = Row("bridge + host-local DEL", .milliseconds, ofFloor: 1.2)
        let paths = try namespaces.paths(3)
        let least = try FloorNetwork(program: floor)
        let mine = try BridgeNetwork(ours, "one", octet: 10)
        let theirs = try BridgeNetwork(reference, "one", octet: 11)
        try mine.warmUp(in: paths[1])
        try theirs.warmUp(in: paths[2])

        func pass(_ network: some Attaching, _ container: Container, _ side: WritableKeyPath<Row, [Double]>) throws {
            add[keyPath: side].append(try network.add(container))
            delete[keyPath: side].append(try network.delete(container))
        }
        try interleave(
            rounds,
            [
                { try pass(least, Container(network: "floor", number: $0, namespace: paths[0]), \.floor) },
                { try pass(mine, mine.container($0, in: paths[1]), \.ours) },
                { try pass(theirs, theirs.container($0, in: paths[2]), \.reference) },
            ]
        )
        return [add, delete]
    }

    /// One hundred attachments at once: no failure, no address twice.
    func measureParallel() throws -> [Row] {
        let count = 100
        var row = Row("\(count) parallel ADDs", .milliseconds, ofReference: 0.3)
        let paths = try namespaces.paths(count)
        let mine = try BridgeNetwork(ours, "many", octet: 20)
        let theirs = try BridgeNetwork(reference, "many", octet: 21)
        for network in [mine, theirs] { try network.warmUp(in: paths[0]) }

        func pass(_ network: BridgeNetwork, _ round: Int) throws -> Double {
            let containers = paths.enumerated().map { network.container(round * count + $0, in: $1) }
            let time = try Call.runTogether(containers.map(network.addCall))
            let addresses = try Set(containers.map(Self.address))
            guard addresses.count == count else {
                throw Failure("\(network.name): \(count) parallel ADDs gave only \(addresses.count) addresses")
            }
            _ = try Call.runTogether(containers.map(network.deleteCall))
            return time
        }
        try interleave(
            min(rounds, max(3, rounds / 20)),
            [
                { row.ours.append(try pass(mine, $0)) },
                { row.reference.append(try pass(theirs, $0)) },
            ]
        )
        return [row]
    }

    /// The address in the result of a container's ADD.
    private static func address(of container: Container) throws -> String {
        let data = try Data(contentsOf: URL(fileURLWithPath: container.output))
        let result = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        guard let addresses = result?["ips"] as? [[String: Any]], let first = addresses.first?["address"] as? String
        else { throw Failure("a result without an address:\n" + (String(data: data, encoding: .utf8) ?? "")) }
        return first
    }
}
