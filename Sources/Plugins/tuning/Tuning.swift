// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Interfaces
import Linux
import Netlink

/// Changes kernel settings of a container, and its interface, which plugins before this one have made.
///
/// What the interface was like is kept in a file, and DEL gives it back, because some interfaces outlive the container.
/// Kernel settings belong to the container's namespace and go with it.
struct Tuning: Plugin {
    static let name = "tuning"

    func add(_ request: Request<TuningConfiguration>, undo: inout UndoStack) throws(CNIError) -> AddResult {
        var result = try request.resultBefore()
        let (properties, settings) = try request.configuration.plan(for: request)
        if !settings.isEmpty { try AllowList.read()?.permit(settings) }
        // Runtimes chain the plugin with nothing to do, and then it costs no more than its start.
        if properties.isEmpty && settings.isEmpty { return result }

        var container = try TunedContainer(request)
        let valuesBefore = try container.values(of: settings)
        let link = properties.isEmpty ? nil : try container.link()
        if let link {
            let saved = properties.compactMap { $0.current(of: link) }
            try SavedState(request.configuration.dataDir, request.attachment).save(saved, undo: &undo)
        }
        for (placed, before) in zip(settings, valuesBefore) { try container.set(placed, before: before, undo: &undo) }
        if let link { for property in properties { try container.set(property, on: link, undo: &undo) } }
        result.apply(properties, to: request.attachment.interface)
        return result
    }

    func check(_ request: Request<TuningConfiguration>) throws(CNIError) {
        _ = try request.requiredPreviousResult()
        let (properties, settings) = try request.configuration.plan(for: request)
        if properties.isEmpty && settings.isEmpty { return }
        var container = try TunedContainer(request)
        let values: [String?]
        let link: Link?
        do throws(CNIError) {
            values = try container.values(of: settings)
            link = properties.isEmpty ? nil : try container.link()
        } catch {
            // What is to be compared is gone.
            throw error.errno == nil ? CNIError(.drifted, error.message, error.details) : error
        }
        for (placed, present) in zip(settings, values) {
            // What can only be written cannot be compared.
            guard let present, !PlacedSetting.isSame(present, placed.setting.value) else { continue }
            throw CNIError.drifted(
                "Error: Tuning configured value of /proc/sys/\(placed.path) is \(placed.setting.value), "
                    + "current value is \(present)"
            )
        }
        guard let link else { return }
        for property in properties {
            let current = property.current(of: link)
            if current != property { throw CNIError.drifted(property.drift(of: link.name, from: current)) }
        }
    }

    /// Gives the interface back what it had; nothing of it is worth keeping a container from being removed.
    func delete(_ request: Request<TuningConfiguration>) throws(CNIError) {
        let state = SavedState(request.configuration.dataDir, request.attachment)
        if let properties = state.read() {
            do { try TunedContainer.restore(properties, request) } catch {
                StandardStreams.log("tuning: \(error.description)")
                // It may still exist, and then whoever tries again finds the file.
                if error.code == CNIError.Kind.invalidNamespace.rawValue { return }
            }
        }
        do { try state.remove() } catch { StandardStreams.log("tuning: \(error.description)") }
    }

    func collect(_ request: Request<TuningConfiguration>, keeping valid: ValidAttachments) throws(CNIError) {
        try SavedState.collect(in: request.configuration.dataDir, of: request.attachment.network, keeping: valid)
    }

    func status(_ request: Request<TuningConfiguration>) throws(CNIError) {
        let (properties, settings) = try request.configuration.plan(for: request)
        if properties.isEmpty && settings.isEmpty { return }
        try SavedState.probe(request.configuration.dataDir)
        do { try AllowList.read()?.permit(settings) } catch {
            throw CNIError(.notReady, error.message, error.details)
        }
    }
}

extension Request<TuningConfiguration> {
    /// The result of the plugins before this one, without which there is nothing to tune.
    fileprivate func resultBefore() throws(CNIError) -> AddResult {
        if let result = try previousResult() { return result }
        throw CNIError(
            .invalidConfiguration,
            "Required prevResult missing",
            "tuning changes an interface that a plugin before it in the list \"plugins\" has made"
        )
    }
}

extension AddResult {
    /// Puts the new values of the container's interface into its entry.
    fileprivate mutating func apply(_ properties: [LinkProperty], to interface: String) {
        let isNamed = { (entry: Interface) in entry.name == interface }
        // An interface on the host can have the same name, but some plugins name no sandbox at all.
        let hasSandbox = interfaces.contains { isNamed($0) && !$0.sandbox.isEmpty }
        for index in interfaces.indices where isNamed(interfaces[index]) {
            if hasSandbox && interfaces[index].sandbox.isEmpty { continue }
            for property in properties {
                switch property {
                case .mac(let mac): interfaces[index].mac = mac.description
                case .mtu(let mtu): if interfaces[index].mtu != nil { interfaces[index].mtu = mtu }
                default: break
                }
            }
        }
    }
}
