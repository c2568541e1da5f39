// SPDX-License-Identifier: Apache-2.0

import CNI
import JSON
import Linux

/// A command for one network of the configuration directory.
struct NetworkCommand {
    private let options: Options
    private let environment = Environment.current()
    private let signals: CInt

    /// Prepares a command.
    init(_ options: Options, signals: CInt) { (self.options, self.signals) = (options, signals) }

    /// Does what the command says.
    func run() throws(Failure) {
        let (list, container) = try prepared()
        let path = environment.value(of: "CNI_PATH", default: "/opt/cni/bin")
        let chain = Chain(list, pluginPath: path, environment: environment, signals: signals)
        switch options.command {
        case "add": Tool.print(try chain.add(container))
        case "check": try chain.check(container)
        case "del": try chain.delete(container)
        case "status": try chain.status()
        default:
            let failures = chain.collect(keeping: options.kept)
            guard let last = failures.last else { return }
            for failure in failures.dropLast() { StandardStreams.log("cnictl: \(failure.line)") }
            throw last
        }
    }

    private func prepared() throws(Failure) -> (NetworkList, Container) {
        do throws(CNIError) {
            let directory = environment.value(of: "NETCONFPATH", default: "/etc/cni/net.d")
            return (try NetworkList.find(options.operands[0], in: directory), try container())
        } catch {
            throw Failure(error)
        }
    }

    /// The container that the second word and the environment describe.
    private func container() throws(CNIError) -> Container {
        guard options.operands.count > 1, options.command != "gc", options.command != "status" else { return .none }
        let netns = try Self.absolute(options.operands[1])
        let interface = environment.value(of: "CNI_IFNAME", default: "eth0")
        try Names.validateInterface(interface)
        var container = Container(id: Container.identifier(forNamespace: netns), netns: netns, interface: interface)
        try container.readArguments(environment["CNI_ARGS"] ?? "")
        try container.readCapabilities(environment["CAP_ARGS"] ?? "")
        return container
    }

    /// A path from the root, without dots and doubled slashes, so that one namespace has one identifier.
    static func absolute(_ path: String) throws(CNIError) -> String {
        var start = ""
        if !path.hasPrefix("/") {
            do { start = try ProcessArguments.workingDirectory() } catch {
                throw .inputOutput(error, "find the working directory")
            }
        }
        var parts: [String] = []
        for part in "\(start)/\(path)".utf8.split(separator: UInt8(ascii: "/")).map({
            String(decoding: $0, as: UTF8.self)
        }) {
            if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(part) }
        }
        return "/" + parts.joined(separator: "/")
    }
}

extension Environment {
    /// The value of a variable, or another if it is unset or empty.
    func value(of name: String, default fallback: String) -> String {
        guard let value = self[name], !value.isEmpty else { return fallback }
        return value
    }
}
