// SPDX-License-Identifier: Apache-2.0

import CNI
import Interfaces
import Linux
import Netlink

/// The container whose settings are changed, entered once.
struct TunedContainer: ~Copyable {
    private let request: Request<TuningConfiguration>
    private let namespace: NetworkNamespace
    private var kernel: Kernel
    private var name: String { request.attachment.interface }

    /// Enters the namespace of a request.
    init(_ request: Request<TuningConfiguration>) throws(CNIError) {
        try self.init(request, try request.openNamespace())
    }

    private init(_ request: Request<TuningConfiguration>, _ opened: consuming NetworkNamespace) throws(CNIError) {
        kernel = try opened.perform { () throws(CNIError) in try Kernel.open() }
        self.request = request
        namespace = opened
    }

    /// The interface of the request.
    mutating func link() throws(CNIError) -> Link {
        if let link = try kernel.link(named: name) { return link }
        throw CNIError(
            .kernel,
            "failed to get \"\(name)\"",
            "the container has no interface \(name); a plugin before tuning should have made it"
        )
    }

    /// What kernel settings are at present.
    func values(of settings: [PlacedSetting]) throws(CNIError) -> [String?] {
        if settings.isEmpty { return [] }
        return try namespace.perform { () throws(CNIError) in
            var values: [String?] = []
            for placed in settings { values.append(try placed.current()) }
            return values
        }
    }

    /// Gives a kernel setting its value.
    func set(_ placed: PlacedSetting, before: String?, undo: inout UndoStack) throws(CNIError) {
        try namespace.perform { () throws(CNIError) in try placed.write(placed.setting.value) }
        guard let before else { return }
        let request = request
        try undo.push("set \(placed.path) to \(before)") { () throws(CNIError) in
            let namespace = try request.openNamespace()
            try namespace.perform { () throws(CNIError) in try placed.write(before) }
        }
    }

    /// Gives the interface a value, if it has another one.
    mutating func set(_ property: LinkProperty, on link: Link, undo: inout UndoStack) throws(CNIError) {
        let before = property.current(of: link)
        if before == property { return }
        try send(property)
        guard let before else { return }
        let request = request
        try undo.push("set \(before.key) of \(name) to \(before.value)") { () throws(CNIError) in
            var container = try TunedContainer(request)
            try container.send(before)
        }
    }

    private mutating func send(_ property: LinkProperty) throws(CNIError) {
        var batch = MessageBatch()
        batch.setLink(name, property.change)
        do { try kernel.send(batch) } catch {
            let message = "cannot set \(property.key) of \(name) to \(property.value)"
            throw CNIError(code: error.code, message: message, details: error.details)
        }
    }

    /// Gives the interface values back, as far as both still exist; what the kernel refuses is logged.
    static func restore(
        _ properties: [LinkProperty],
        _ request: Request<TuningConfiguration>
    ) throws(CNIError) {
        guard !properties.isEmpty, let namespace = try request.openNamespaceIfExists() else { return }
        var container = try TunedContainer(request, namespace)
        guard let link = try container.kernel.link(named: container.name) else { return }
        for property in properties where property.current(of: link) != property {
            do { try container.send(property) } catch {
                StandardStreams.log("tuning: cannot restore \(property.key): \(error.description)")
            }
        }
    }
}
