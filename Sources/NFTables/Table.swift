// SPDX-License-Identifier: Apache-2.0

/// A table of the packet filter: all that the suite keeps for one purpose, so that nobody else's rules are touched.
public struct Table: Sendable {
    /// Its family and name, as nft(8) writes them.
    public let description: String

    /// Names a table of a family: ip, ip6, inet for both, or bridge for frames on bridges.
    public init(_ description: String) { self.description = description }

    /// The words by which a command names an object.
    func place(of object: Object) -> String {
        var text = object.kind
        for part in [description, object.name] where !part.isEmpty {
            text += " "
            text += part
        }
        return text
    }
}
