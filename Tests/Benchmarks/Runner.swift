// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What all groups of rows share: the programs, the containers and the number of rounds.
struct Runner {
    /// Our plugins.
    let ours: Suite

    /// The Go plugins.
    let reference: Suite

    /// The path of the C program.
    let floor: String

    /// How often each program is measured.
    let rounds: Int

    /// The namespaces that stand for containers.
    let namespaces = Namespaces()

    /// A runner for the programs that the options name.
    init(options: Options) throws {
        ours = Suite(name: "ours", directory: options.ours)
        reference = Suite(name: "reference", directory: options.reference)
        floor = options.floor
        rounds = options.rounds
    }

    /// Measures one group.
    func measure(_ group: Group) throws -> [Row] {
        switch group {
        case .version: try measureVersion()
        case .bridge: try measureBridge()
        case .leases: try measureLeases()
        case .parallel: try measureParallel()
        case .ports: try measurePorts()
        case .chain: try measureChain()
        case .chains: try measureParallelChains()
        case .mappings: try measureMappings()
        case .tunnel: try measureTunnels()
        case .vxlan: try measureVxlan()
        case .overlay: try measureOverlay() + measureOverlayWithoutMember()
        case .memory: try measureMemory()
        case .size: try measureSize()
        }
    }

    /// Runs the steps once a round, forwards and backwards in turn, so that none always follows the same one.
    func interleave(_ rounds: Int, _ steps: [(Int) throws -> Void]) throws {
        for round in 1...rounds {
            for step in round.isMultiple(of: 2) ? steps.reversed() : steps { try step(round) }
        }
    }
}
