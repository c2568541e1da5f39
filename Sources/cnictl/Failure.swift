// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux

/// Why a command of a network failed, and which plugin was the cause.
struct Failure: SystemFailure {
    /// The type of the plugin; empty if the failure is not one of a plugin.
    let plugin: String
    /// What the plugin was asked to do.
    let command: String
    /// The failure itself, which a plugin's own error enters unchanged.
    let error: CNIError

    /// Makes the failure of a plugin.
    init(_ plugin: String, _ command: String, _ error: CNIError) {
        (self.plugin, self.command, self.error) = (plugin, command, error)
    }

    /// Makes a failure that no plugin caused.
    init(_ error: CNIError) { self.init("", "", error) }

    /// Makes the failure of an operation of the kernel.
    init(_ errno: Errno, _ operation: String, kernelText: String?) {
        self.init(CNIError(errno, operation, kernelText: kernelText))
    }

    /// The error number, if the kernel was the one who refused.
    var errno: Errno? { error.errno }

    /// Everything in one line.
    var line: String {
        let text = plugin.isEmpty ? error.description : "plugin \(plugin) failed (\(command)): \(error.description)"
        return text.split { $0 == "\n" || $0 == "\r" }.joined(separator: " ")
    }
}
