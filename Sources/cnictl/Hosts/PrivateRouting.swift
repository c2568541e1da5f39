// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

/// FRR on each private host, which tells the hosts of a stretched link by BGP EVPN who is where.
final class PrivateRouting {
    private static let limitNanoseconds: Int64 = 60_000_000_000
    private static let directory = "\(PrivateHost.scratch)/frr"

    private let environment: Environment
    private let signals: CInt
    private let paths: [(name: String, path: String)]
    private var daemons: [Service] = []

    /// Finds the programs.
    init(_ environment: Environment, _ signals: CInt) throws(CNIError) {
        var paths: [(name: String, path: String)] = []
        // In this order: the second tells the first what it has learnt.
        for name in ["zebra", "bgpd"] {
            guard let path = Delegate.find(name, in: "/usr/lib/frr:/usr/local/lib/frr:/usr/libexec/frr") else {
                throw CNIError(
                    .delegate,
                    "\(name) of FRR is not installed",
                    "controlPlane is external: somebody else fills the entries that lead to other hosts, for which FRR is started "
                        + "privately; on Debian: apt-get install frr; or try a copy of the file without controlPlane"
                )
            }
            paths.append((name, path))
        }
        (self.paths, self.environment, self.signals) = (paths, environment, signals)
    }

    /// Starts FRR on all hosts; says whether it runs.
    func begin(_ hosts: [TrialHost], _ reporter: Reporter) -> Bool {
        let isRunning: Void? = reporter.step("start FRR on each host") { () throws(Failure) in
            do throws(CNIError) {
                for host in hosts { try start(on: host, besides: hosts) }
            } catch {
                throw Failure(error)
            }
            return ((), "zebra and bgpd, each with all others as neighbours")
        }
        return isRunning != nil
    }

    private func start(on host: TrialHost, besides hosts: [TrialHost]) throws(CNIError) {
        let others = hosts.filter { $0 !== host }.compactMap { $0.addresses.first }
        let files = [("zebra", "\n"), ("bgpd", Self.configuration(host.addresses.first, others))]
        for (name, path) in paths {
            let file = "\(Self.directory)/\(name)"
            let service = try host.perform { () throws(CNIError) in
                try CNIError.attempt("start \(path) on \(host.name)") { () throws(Errno) in
                    if try FileStatus.of(Self.directory) == nil {
                        try FileStatus.makeDirectories(Self.directory)
                        // The daemons go on as a user of their own.
                        try Mounts.mount("tmpfs", on: Self.directory, options: "mode=777")
                    }
                    for (other, text) in files where other == name {
                        try FileDescriptor.open("\(file).conf", [.write, .create]).writeAll(Array(text.utf8))
                    }
                    return try Service.start(
                        path,
                        arguments: [
                            "-f", "\(file).conf", "-i", "\(file).pid", "-z", "\(Self.directory)/zserv.api",
                            "--vty_socket", Self.directory, "-P", "0",
                        ],
                        environment: environment,
                        log: "\(file).log"
                    )
                }
            }
            daemons.append(service)
            try awaitFile("\(file).vty", on: host, service, name)
        }
    }

    /// Waits until a daemon listens.
    private func awaitFile(_ path: String, on host: TrialHost, _ service: Service, _ name: String) throws(CNIError) {
        let end = Clock.monotonicNanoseconds() + Self.limitNanoseconds
        while true {
            let found = try host.perform { () throws(CNIError) in
                try CNIError.attempt("look for \(path)") { () throws(Errno) in try FileStatus.of(path) }
            }
            if found != nil { return }
            if service.hasEnded || Clock.monotonicNanoseconds() > end || Termination.isPending {
                throw CNIError(.tryAgain, "\(name) of \(host.name) \(service.hasEnded ? "ended" : "does not listen")")
            }
            _ = Poll.isReadable(signals, timeoutMilliseconds: 20)
        }
    }

    private static func configuration(_ own: IPAddress?, _ others: [IPAddress]) -> String {
        var text = "router bgp 65000\n bgp router-id \(own?.description ?? "")\n coalesce-time 0\n"
        for other in others {
            text += " neighbor \(other.description) remote-as 65000\n neighbor \(other.description) timers connect 1\n"
        }
        text += " address-family l2vpn evpn\n"
        for other in others { text += "  neighbor \(other.description) activate\n" }
        return text + "  advertise-all-vni\n exit-address-family\n"
    }

    /// Waits until each host's tunnel leads to all others.
    func awaitEntries(_ hosts: [TrialHost], _ reporter: Reporter) {
        _ = reporter.step("FRR tells the hosts of each other") { () throws(Failure) in
            let end = Clock.monotonicNanoseconds() + Self.limitNanoseconds
            for host in hosts {
                while true {
                    let known = try host.perform { () throws(Failure) in
                        do throws(CNIError) { return try Self.destinations() } catch { throw Failure(error) }
                    }
                    let missing = hosts.first { $0 !== host && !known.contains(where: $0.addresses.contains) }
                    guard let missing else { break }
                    if Clock.monotonicNanoseconds() > end || Termination.isPending {
                        throw Failure(
                            CNIError(
                                .tryAgain,
                                "\(host.name) has not been told of \(missing.name)",
                                "its tunnel has no entry that leads to \(missing.addresses.first?.description ?? "it")"
                            )
                        )
                    }
                    _ = Poll.isReadable(signals, timeoutMilliseconds: 20)
                }
            }
            return ((), "each tunnel leads to all others")
        }
    }

    private static func destinations() throws(CNIError) -> [IPAddress] {
        var socket = try RouteSocket<CNIError>.open()
        guard let link = try socket.links(kind: "vxlan").first else { return [] }
        return try socket.forwardingEntries(of: link.index).compactMap { $0.destination }
    }

    /// Ends all daemons, the last one first.
    func end() {
        for daemon in daemons.reversed() { daemon.stop(limitMilliseconds: 3000) }
    }
}
