// SPDX-License-Identifier: Apache-2.0

import Linux

/// The pairs of the environment variable CNI_ARGS: "IP=10.1.0.5;IgnoreUnknown=1".
public struct Arguments: Sendable {
    private var pairs: [(key: String, value: String)] = []

    /// Reads the pairs and refuses keys that are not known, unless they are to be ignored.
    ///
    /// Empty segments are accepted, because runtimes append their own list to that of the caller.
    public init(_ text: String, known: [String]) throws(CNIError) {
        for segment in Array(text.utf8).split(separator: UInt8(ascii: ";")) {
            let parts = segment.split(separator: UInt8(ascii: "="), omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw CNIError(
                    .invalidEnvironment,
                    "CNI_ARGS: ARGS: invalid pair \"\(Self.string(segment))\"",
                    "each pair must have the form KEY=value, with one equals sign; pairs are separated by semicolons"
                )
            }
            pairs.append((Self.string(parts[0]), Self.string(parts[1])))
        }
        let unknown = pairs.filter { $0.key != "IgnoreUnknown" && !known.contains($0.key) }
        let ignoresUnknown = try ignoresUnknown()
        if unknown.isEmpty || ignoresUnknown { return }
        let list = unknown.map { "\"\($0.key)=\($0.value)\"" }.joined(separator: " ")
        throw CNIError(
            .invalidEnvironment,
            "CNI_ARGS: ARGS: unknown args [\(list)]",
            "add IgnoreUnknown=1 to CNI_ARGS to have other plugins' keys passed over"
        )
    }

    private static func string(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    private func ignoresUnknown() throws(CNIError) -> Bool {
        guard let value = self["IgnoreUnknown"] else { return false }
        if Names.isTrue(value) { return true }
        if value == "0" || Names.isEqual(value, "false") { return false }
        throw CNIError(
            .invalidEnvironment,
            "CNI_ARGS: ARGS: error parsing value of pair \"IgnoreUnknown=\(value)\"",
            "it must be 1, true, 0 or false"
        )
    }

    /// The value of a key, which is matched letter by letter; the last one counts.
    public subscript(key: String) -> String? { pairs.last { $0.key == key }?.value }
}
