// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// Who keeps the rules.
enum Backend: String, CaseIterable, Sendable { case nftables, iptables }

/// An entry of runtimeConfig.portMappings.
struct Mapping: Sendable {
    let text: String

    /// An entry from its parts.
    init(_ host: Int, _ container: Int, _ transport: String? = nil, on hostIP: String? = nil) {
        var parts = [#""hostPort":\#(host)"#, #""containerPort":\#(container)"#]
        if let transport { parts.append(#""protocol":"\#(transport)""#) }
        if let hostIP { parts.append(#""hostIP":"\#(hostIP)""#) }
        text = "{\(parts.joined(separator: ","))}"
    }

    /// An entry as it is.
    init(text: String) { self.text = text }
}

/// Calls of portmap for one attachment, as a runtime makes them behind the plugin that gave the container its addresses.
struct Publication: Sendable {
    var network = "lan"
    var id = "c1"
    var interface = "eth0"
    var netns = "/var/run/netns/none"
    var version = "1.1.0"
    /// The key `backend`, if there is one.
    var backend: Backend?
    var mappings: [Mapping]? = []
    /// More members of the configuration, each with a comma before it.
    var more = ""
    /// The addresses in the previous result, or nothing if there is none.
    var addresses: [String]? = ["10.88.0.2/24", "fd88::2/64"]
    /// The previous result itself, in place of one that is made of the addresses.
    var previous: String?
    var environment: [String: String] = [:]
    /// The directory of the plugin.
    var directory = Executables.directory

    init(_ backend: Backend? = nil, _ mappings: [Mapping]? = []) {
        self.backend = backend
        self.mappings = mappings
    }

    /// The same with changes.
    func with(_ change: (inout Publication) -> Void) -> Publication {
        var copy = self
        change(&copy)
        return copy
    }

    private var previousResult: String? {
        if let previous { return previous }
        guard let addresses else { return nil }
        let list = addresses.map { #"{"address":"\#($0)","interface":1}"# }.joined(separator: ",")
        return """
            {"cniVersion":"\(version)","interfaces":[{"name":"br0","mac":"02:00:00:00:00:01"},\
            {"name":"\(interface)","mac":"02:00:00:00:00:02","sandbox":"\(netns)"}],"ips":[\(list)]}
            """
    }

    /// The calls of the plugin.
    private var calls: PluginCall {
        var members: [String] = []
        if let backend { members.append(#","backend":"\#(backend.rawValue)""#) }
        if let mappings {
            let list = mappings.map { $0.text }.joined(separator: ",")
            members.append(#","runtimeConfig":{"portMappings":[\#(list)]}"#)
        }
        var calls = PluginCall("portmap", members.joined() + more)
        (calls.network, calls.id, calls.interface, calls.version) = (network, id, interface, version)
        calls.netns = netns.isEmpty ? nil : netns
        (calls.previous, calls.environment, calls.directory) = (previousResult, environment, directory)
        return calls
    }

    /// A call that was not made yet.
    func process(_ command: String) -> PluginProcess { calls.process(command) }

    /// Makes a call that must succeed, and returns what it printed.
    @discardableResult
    func call(_ command: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        try calls.call(command, sourceLocation: sourceLocation)
    }

    /// Makes a call that must fail, and returns the code with message and details.
    func failure(
        _ command: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> (code: Int, text: String) {
        try calls.failure(command, sourceLocation: sourceLocation)
    }
}
