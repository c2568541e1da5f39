// SPDX-License-Identifier: Apache-2.0

import JSON

/// The IPAM plugin that a request names, called with everything that we were called with.
public struct IPAM: Sendable {
    let delegate: Delegate
    let version: Version
    /// Whether addresses must be released while the interface is still there.
    ///
    /// For all others the address must be gone before it can be given to somebody else; a DHCP client needs the link to
    /// tell its server.
    public let needsLinkToRelease: Bool

    /// Starts an ADD, which works while the caller goes on.
    public func startAdd() throws(CNIError) -> RunningDelegate { try delegate.start("ADD") }

    /// Waits for the addresses.
    ///
    /// Whatever comes of it, the caller owes a DEL should ADD fail: the delegate may have done half of its work.
    public func finishAdd(_ running: inout RunningDelegate) throws(CNIError) -> AddResult {
        let result = try AddResult(printed: try running.finish(), assuming: version)
        guard !result.ips.isEmpty else {
            throw CNIError(.delegate, "IPAM plugin returned missing IP config", "its result has no ips")
        }
        return result
    }

    /// Releases what belongs to the attachment.
    public func delete() throws(CNIError) { try delegate.run("DEL") }

    /// Forwards CHECK.
    public func check() throws(CNIError) { try delegate.run("CHECK") }

    /// Forwards GC.
    public func collect() throws(CNIError) { try delegate.run("GC") }

    /// Forwards STATUS.
    public func status() throws(CNIError) { try delegate.run("STATUS") }
}

extension Request {
    /// The IPAM plugin, or nothing if the configuration names none.
    ///
    /// It reads the configuration as it came in, but for its own part of it if another one is given.
    public func ipam(_ part: JSON? = nil) throws(CNIError) -> IPAM? {
        guard let type = try ipamType(), !type.isEmpty else { return nil }
        var input = input
        if let part {
            var document = document
            document["ipam"] = part
            input = JSON.object(document).serialize()
        }
        let delegate = try Delegate(type: type, environment: environment, input: input, signals: signals)
        return IPAM(delegate: delegate, version: version, needsLinkToRelease: type == "dhcp")
    }

    private func ipamType() throws(CNIError) -> String? {
        do {
            return try ConfigNode(.object(document)).member("ipam")?.string("type")
        } catch {
            throw .configuration(error)
        }
    }
}
