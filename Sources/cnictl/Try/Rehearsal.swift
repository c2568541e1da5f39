// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// A container of a trial and what is known about it.
struct Rehearsal {
    /// The short name.
    let name: String
    /// What plugins are told.
    var container: Container
    /// The namespace as it was before ADD.
    let before: HostState
    /// The namespace as it was after ADD.
    var after: HostState?
    /// What ADD returned.
    var result: AddResult?

    /// Describes a container that is not yet attached.
    init(name: String, container: Container, before: HostState) {
        (self.name, self.container, self.before) = (name, container, before)
    }
}

extension Rehearsal {
    /// The container in JSON output.
    var json: JSON {
        [
            "name": .string(name), "containerID": .string(container.id), "netns": .string(container.netns),
            "interfaces": .array((after?.devices ?? []).map { $0.json }),
            "routes": .array((after?.routes ?? []).map { .string($0.text) }),
        ]
    }
}
