// SPDX-License-Identifier: Apache-2.0

import Testing

/// Containers of podman, in each test on a host of its own.
@Suite("podman", .needsPodman, .usesNeighbourTable)
struct PodmanTests {
    let podman: Podman
    let before: RuntimeHost.State

    init() throws {
        podman = try Podman()
        before = try podman.host.state()
    }

    var host: RuntimeHost { podman.host }
}
