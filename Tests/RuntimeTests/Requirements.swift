// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// What a machine must have for containers to run.
enum Requirements {
    /// Why podman cannot run a container here, whatever its network; nothing if it can.
    static let podmanObstacle: String? = {
        if let reason = missing(["podman", "crun", "conmon", "busybox"]) { return reason }
        do {
            let podman = try Podman()
            try podman("run", "--rm", "--network", "none", Podman.image, "/bin/sh", "-c", "exit 0")
            return nil
        } catch {
            return "podman cannot run a container without a network: \(error)"
        }
    }()

    /// Why containerd cannot run a container here, whatever its network; nothing if it can.
    static let containerdObstacle: String? = {
        if let reason = missing(["containerd", "ctr", "runc"]) ?? podmanObstacle { return reason }
        do {
            let containerd = try Containerd()
            try containerd.run("probe", ["--rm"], ["/bin/sh", "-c", "exit 0"])
            return nil
        } catch {
            return "containerd cannot run a container without a network: \(error)"
        }
    }()

    private static func missing(_ programs: [String]) -> String? {
        if !Privileges.canMount { return "needs root, for mounts" }
        let missing = programs.filter { Programs.path($0) == nil }
        return missing.isEmpty ? nil : "needs \(missing.joined(separator: ", ")); make test-deps installs them"
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips a suite where podman cannot run containers, and says why.
    static var needsPodman: Self {
        .enabled(if: Requirements.podmanObstacle == nil, "\(Requirements.podmanObstacle ?? "")")
    }

    /// Skips a suite where containerd cannot run containers, and says why.
    static var needsContainerd: Self {
        .enabled(if: Requirements.containerdObstacle == nil, "\(Requirements.containerdObstacle ?? "")")
    }
}
