// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux
import Netlink

/// Whether packets get from each host to each other one.
extension HostsTrial {
    /// Tries all ways: between containers, from hosts to containers and back, and with packets of full size.
    func probe() {
        for (source, target) in pairs { connect(source, target) }
        for (source, target) in pairs where !source.ownAddresses.isEmpty {
            let title = "\(source.name) → \(target.subject.name)"
            reach(title, source, target, target.containerAddresses, isFromHost: true)
        }
        for (source, target) in pairs where !target.ownAddresses.isEmpty {
            reach("\(source.subject.name) → \(target.name)", source, target, target.ownAddresses, isFromHost: false)
        }
        if hosts.allSatisfy({ $0.ownAddresses.isEmpty }) {
            reporter.skipped(
                "from and to the hosts themselves",
                "they have no address in the network: isGateway is not set"
            )
        }
        fill()
    }

    /// Each host with each other one, in both directions.
    private var pairs: [(TrialHost, TrialHost)] {
        hosts.flatMap { source in hosts.filter { $0 !== source }.map { (source, $0) } }
    }

    /// Sends echo requests and opens connections from one container to another.
    private func connect(_ source: TrialHost, _ target: TrialHost) {
        attempt("\(source.subject.name) → \(target.subject.name)", source, target, target.containerAddresses) {
            address throws(CNIError) in
            let ping = try ping(source, address, isFromHost: false)
            let echo = try target.performInContainer { () throws(CNIError) in
                try CNIError.attempt("listen on port 80") { () throws(Errno) in
                    try EchoPort.open(version6: address.family == .v6, isDatagram: false, port: 80)
                }
            }
            let connection = try source.performInContainer { () throws(CNIError) in
                try CNIError.attempt("connect to \(address.description), which answers pings,") { () throws(Errno) in
                    try echo.probe(address.bytes, port: 80, timeoutMilliseconds: reporter.patience)
                }
            }
            return (ping, "ping \(TimeText.short(ping)), TCP \(TimeText.short(connection))")
        }
    }

    private func reach(
        _ title: String,
        _ source: TrialHost,
        _ target: TrialHost,
        _ addresses: [IPAddress],
        isFromHost: Bool
    ) {
        attempt(title, source, target, addresses) { address throws(CNIError) in
            let time = try ping(source, address, isFromHost: isFromHost)
            return (time, "ping \(TimeText.short(time))")
        }
    }

    /// Tries each address that the source can reach by its own versions of IP, and says what is wrong with the first.
    private func attempt(
        _ title: String,
        _ source: TrialHost,
        _ target: TrialHost,
        _ addresses: [IPAddress],
        _ body: (IPAddress) throws(CNIError) -> (Int64, String)
    ) {
        let families = source.containerAddresses.map { $0.family }
        _ = reporter.step(title) { () throws(Failure) in
            var (answers, problems): ([String], [String]) = ([], [])
            for address in addresses where families.contains(address.family) {
                var time: Int64?
                do throws(CNIError) {
                    let (nanoseconds, answer) = try body(address)
                    time = nanoseconds
                    answers.append("\(address.description) \(answer)")
                } catch {
                    problems.append(error.description)
                    if problems.count == 1 { problems.append(Diagnosis.text(source, target, address, plan)) }
                }
                probes.append(Probe(title, address, nanoseconds: time))
            }
            if !problems.isEmpty {
                throw Failure(CNIError(.kernel, "no way from \(title)", problems.joined(separator: "; ")))
            }
            if answers.isEmpty {
                throw Failure(CNIError(.kernel, "no way from \(title)", "no address of the same version of IP"))
            }
            return ((), answers.joined(separator: "; "))
        }
    }

    private func ping(
        _ source: TrialHost,
        _ address: IPAddress,
        isFromHost: Bool,
        size: Int = 0
    ) throws(CNIError) -> Int64 {
        let limit = reporter.patience
        let body = { () throws(CNIError) in
            try CNIError.attempt("get an answer from \(address.description)") { () throws(Errno) in
                try Reachability.ping(address.bytes, size: size, timeoutMilliseconds: limit)
            }
        }
        return try isFromHost ? source.perform(body) : source.performInContainer(body)
    }

    /// Sends packets as large as the containers' interfaces allow, and sees whether the hosts had to take any apart.
    private func fill() {
        let sizes = hosts.compactMap { host in
            host.subject.after?.device(host.subject.container.interface).map { Int($0.link.mtu) }
        }
        guard let size = sizes.min(), sizes.count == hosts.count else { return }
        let title = "packets of \(size) bytes"
        if reporter.hasFailures { return reporter.skipped(title, "not even small ones get everywhere") }
        _ = reporter.step(title) { () throws(Failure) in
            let fragments = try fragments()
            for (source, target) in pairs {
                for address in target.containerAddresses { try fill(source, target, address, size) }
            }
            let more = try self.fragments() - fragments
            if more > 0 {
                throw Failure(
                    CNIError(
                        .kernel,
                        "packets of \(size) bytes are taken apart on the way",
                        "the hosts made \(more) fragments; set mtu to that of \(plan.interface) less what the tunnel takes"
                    )
                )
            }
            return ((), "they pass whole between all containers")
        }
    }

    private func fill(_ source: TrialHost, _ target: TrialHost, _ address: IPAddress, _ size: Int) throws(Failure) {
        do throws(CNIError) {
            _ = try ping(source, address, isFromHost: false, size: size)
        } catch {
            throw Failure(
                CNIError(
                    .kernel,
                    "packets of \(size) bytes do not get from \(source.subject.name) to \(target.subject.name)",
                    "\(error.description); smaller ones do: compare the MTU of \(plan.interface), tunnel and container"
                )
            )
        }
    }

    /// How many fragments the hosts have made so far.
    private func fragments() throws(Failure) -> Int {
        var count = 0
        for host in hosts {
            count += try host.perform { () throws(Failure) in
                try Failure.attempt("read the counters of IP") { () throws(Errno) in try FragmentCounter.read() }
            }
        }
        return count
    }
}

extension Probe {
    /// Describes an attempt between hosts whose title names both ends.
    fileprivate init(_ title: String, _ address: IPAddress, nanoseconds: Int64?) {
        let ends = Array(title.utf8).split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        self.init(
            source: ends.first ?? "",
            target: address.description,
            purpose: ends.last ?? "",
            nanoseconds: nanoseconds
        )
    }
}
