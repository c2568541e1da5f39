// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// Podman with the CNI backend on a host of its own, and one image: busybox.
final class Podman: Sendable {
    /// The image; its command sleeps for an hour.
    static let image = "localhost/busybox:latest"
    /// The host on which the containers are.
    let host: RuntimeHost

    /// Makes a host with the image.
    init() throws {
        host = try RuntimeHost()
        try host.write(Self.containersConfiguration, to: "/run/conf/containers.conf")
        try host.write(Self.storageConfiguration, to: "/run/conf/storage.conf")
        try host.shell(
            """
            mkdir -p /run/image/bin /run/image/www
            cp "$(command -v busybox)" /run/image/bin/busybox
            for name in sh sleep httpd ip ping kill; do ln -s busybox /run/image/bin/$name; done
            tar -C /run/image -cf /run/image.tar .
            podman import -c 'CMD ["/bin/sleep","3600"]' /run/image.tar \(Self.image) 2>&1
            """
        )
    }

    deinit {
        // Before the host goes, so that what keeps containers apart in the machine's cgroups goes as well.
        _ = try? host.program(["podman", "rm", "-fa", "-t", "0"]).run()
    }

    /// Containers without cgroups leave no trace in those of the machine.
    private static var containersConfiguration: String {
        """
        [containers]
        cgroups = "disabled"
        default_ulimits = ["nofile=1024:4096", "nproc=1024:4096"]
        [engine]
        cgroup_manager = "cgroupfs"
        events_logger = "file"
        runtime = "crun"
        [network]
        network_backend = "cni"
        cni_plugin_dirs = ["\(Executables.directory)"]
        network_config_dir = "/run/net.d"

        """
    }

    private static let storageConfiguration = """
        [storage]
        driver = "vfs"
        graphroot = "/run/storage"
        runroot = "/run/storage-run"

        """

    /// Runs a command of podman, which must succeed, and returns what it printed.
    @discardableResult
    func callAsFunction(_ words: String...) throws -> String { try host.run(["podman"] + words) }

    /// Starts a container that answers HTTP requests on port 80 with its name.
    @discardableResult
    func run(_ name: String, _ options: [String] = []) throws -> Place {
        let script = "echo -n \(name) >/www/name; exec httpd -f -p 80 -h /www"
        try host.run(["podman", "run", "-d", "--name", name] + options + [Self.image, "/bin/sh", "-c", script])
        return try server(of: name)
    }

    /// The namespace of a running container whose web server has to answer first.
    @discardableResult
    func server(of name: String) throws -> Place {
        let place = try place(of: name)
        try Web.waitForServer(in: place)
        return place
    }

    /// Removes containers, which must succeed.
    func remove(_ names: String...) throws { try host.run(["podman", "rm", "-f", "-t", "0"] + names) }

    /// The namespace of a running container.
    func place(of name: String) throws -> Place {
        Place(path: host.own(try inspect(name, "{{.NetworkSettings.SandboxKey}}")))
    }

    /// What podman knows of a container, by a template.
    func inspect(_ name: String, _ template: String) throws -> String {
        try host.run(["podman", "inspect", "-f", template, name])
    }

    /// What podman knows of a container on one of its networks.
    func network(_ name: String, _ network: String, _ member: String) throws -> String {
        try inspect(name, "{{(index .NetworkSettings.Networks \"\(network)\").\(member)}}")
    }
}

/// The answer of a container's web server.
enum Web {
    /// Waits until the web server of a container listens, which it need not do when the runtime comes back.
    static func waitForServer(in place: Place) throws {
        if try eventually(60, { try name(at: "127.0.0.1", from: place) != nil }) { return }
        throw ProgramFailure(description: "the web server in \(place.path) does not come up")
    }

    /// Asks for the name of whoever answers at an address, from a place; nothing if nobody does in time.
    static func name(at address: String, _ port: UInt16 = 80, from place: Place, seconds: Int = 10) throws -> String? {
        let socket = try place.inside {
            Glibc.socket(
                address.contains(":") ? AF_INET6 : AF_INET,
                CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue),
                0
            )
        }
        defer { close(socket) }
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
            setsockopt(socket, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        guard SocketAddress(address, port).with({ connect(socket, $0, $1) }) == 0 else { return nil }
        let request = Array("GET /name HTTP/1.0\r\n\r\n".utf8)
        guard send(socket, request, request.count, CInt(MSG_NOSIGNAL)) == request.count else { return nil }
        var (answer, chunk) = ([UInt8](), [UInt8](repeating: 0, count: 4096))
        while case let count = recv(socket, &chunk, chunk.count, 0), count > 0 { answer += chunk.prefix(count) }
        return String(decoding: answer, as: UTF8.self).components(separatedBy: "\r\n\r\n").dropFirst().last
    }
}
