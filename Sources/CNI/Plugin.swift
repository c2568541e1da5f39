// SPDX-License-Identifier: Apache-2.0

import JSON

/// The configuration of a plugin, read from the request with errors that name the place.
public protocol PluginConfiguration: Sendable {
    /// Reads the keys that the plugin knows; it passes over the others.
    init(_ node: ConfigNode) throws(ConfigError)
}

/// A CNI plugin: a value that does what a request asks.
///
/// The skeleton owns the protocol: environment, standard streams, versions, errors, exit code and rollback.
public protocol Plugin {
    /// The keys that the plugin reads.
    associatedtype Configuration: PluginConfiguration

    /// The name of the executable.
    static var name: String { get }

    /// Makes the plugin.
    init()

    /// Attaches the container; what it does it pushes on the stack, in case a later step fails.
    func add(_ request: Request<Configuration>, undo: inout UndoStack) throws(CNIError) -> AddResult

    /// Looks whether everything is as it was left.
    func check(_ request: Request<Configuration>) throws(CNIError)

    /// Removes all that belongs to the attachment, whatever is missing.
    func delete(_ request: Request<Configuration>) throws(CNIError)

    /// Removes what belongs to attachments of the network that are not valid any more.
    func collect(_ request: Request<Configuration>, keeping valid: ValidAttachments) throws(CNIError)

    /// Looks whether an ADD could succeed now.
    func status(_ request: Request<Configuration>) throws(CNIError)

    /// The words by which people call the plugin themselves, such as reconcile.
    static var words: [String] { get }

    /// Does what a word asks for a network, and returns what to say of it.
    func perform(_ word: String, _ request: Request<Configuration>) throws(CNIError) -> String
}

extension Plugin {
    /// Nothing, because most plugins are called by runtimes alone.
    public static var words: [String] { [] }

    /// Is never called without a word.
    public func perform(_ word: String, _ request: Request<Configuration>) throws(CNIError) -> String { "" }
}

/// The attachments that a runtime says are alive, in a request for garbage collection.
public enum ValidAttachments: Equatable, Sendable {
    /// The runtime did not say: remove only what is provably dead.
    case unknown
    /// Exactly these; none means that everything of the network goes.
    case only([Attachment])

    /// Whether the runtime may still need what belongs to an attachment.
    ///
    /// No `interface` stands for a lease of the old form, which names only the container.
    public func contains(containerID: String, interface: String?) -> Bool {
        guard case .only(let list) = self else { return true }
        return list.contains { $0.containerID == containerID && (interface == nil || $0.interface == interface) }
    }
}
