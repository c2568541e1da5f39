// SPDX-License-Identifier: Apache-2.0

/// The members of a JSON object, in order.
///
/// Kept as a list: a configuration has a dozen members, and a list keeps their order and their duplicates. Look-up takes
/// time in proportion to the number of members.
public struct JSONObject: Sendable {
    /// A key and its value.
    public struct Member: Sendable {
        /// The key, spelled as in the text.
        public var key: String

        /// The value.
        public var value: JSON

        /// Makes a member.
        public init(_ key: String, _ value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// All members, duplicates included, in the order of the text.
    public private(set) var members: [Member]

    /// Makes an object without members.
    public init() { members = [] }

    /// Makes an object of the members given, duplicates included.
    public init(_ members: [Member]) { self.members = members }

    /// Adds a member at the end, whether or not the key is there already.
    @inline(never)
    public mutating func append(_ key: String, _ value: JSON) {
        members.append(Member(key, value))
    }

    /// The value that a Go program would read for the key.
    ///
    /// The last member spelled exactly so wins; without one, the last that differs only in the case of ASCII letters.
    /// Setting leaves a single member, spelled as given, where the first was that matched in any case, or appends it;
    /// setting nil removes all that match in any case, so that the next look-up finds nothing.
    public subscript(key: String) -> JSON? {
        get {
            var inOtherCase: JSON?
            for member in members.reversed() {
                if member.key.hasSameBytes(as: key) { return member.value }
                if inOtherCase == nil, member.key.matchesIgnoringCase(key) { inOtherCase = member.value }
            }
            return inOtherCase
        }
        set {
            let place = members.firstIndex { $0.key.matchesIgnoringCase(key) }
            members.removeAll { $0.key.matchesIgnoringCase(key) }
            guard let newValue else { return }
            // Those removed were all at or behind the first, so its place still exists.
            members.insert(Member(key, newValue), at: place ?? members.count)
        }
    }
}

extension JSONObject: Equatable {
    /// Compares member by member, in order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool { left.members == right.members }
}

extension JSONObject.Member: Equatable {
    /// Compares the bytes of the key, then the value.
    public static func == (left: JSONObject.Member, right: JSONObject.Member) -> Bool {
        left.key.hasSameBytes(as: right.key) && left.value == right.value
    }
}
