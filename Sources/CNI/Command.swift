// SPDX-License-Identifier: Apache-2.0

import Linux

/// An operation of the protocol, with what the specification says of it.
enum Command: String, CaseIterable {
    case add = "ADD"
    case check = "CHECK"
    case delete = "DEL"
    case collect = "GC"
    case status = "STATUS"

    /// The variables without which the operation makes no sense, in the order in which they are reported.
    var required: [String] {
        switch self {
        case .add, .check: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]
        case .delete: ["CNI_CONTAINERID", "CNI_IFNAME"]
        case .collect, .status: []
        }
    }

    /// The version in which the operation came, if it was not there from the beginning.
    var since: Version? {
        switch self {
        case .add, .delete: nil
        case .check: .v0_4_0
        case .collect, .status: .v1_1_0
        }
    }
}

/// Rules for names: the specification's, and those of the reference library where it is stricter.
public enum Names {
    /// Whether a text begins with a letter or digit and goes on with these, dots, underscores and hyphens.
    public static func isIdentifier(_ text: String) -> Bool {
        guard let first = text.utf8.first, isAlphanumeric(first) else { return false }
        return text.utf8.allSatisfy {
            isAlphanumeric($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
        }
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// Refuses what the kernel refuses as the name of an interface.
    public static func validateInterface(_ name: String) throws(CNIError) {
        guard let problem = problem(ofInterface: name) else { return }
        throw CNIError(
            .invalidEnvironment,
            problem,
            "CNI_IFNAME is \"\(name)\"; interface name should be less than 16 characters, without /, : and blanks"
        )
    }

    /// What makes a text unfit as the name of an interface, or nothing: dev_valid_name of the kernel.
    public static func problem(ofInterface name: String) -> String? {
        if name.isEmpty { return "interface name is empty" }
        if name.utf8.count > 15 { return "interface name is too long" }
        if name == "." || name == ".." { return "interface name is . or .." }
        let isUnfit = name.unicodeScalars.contains { $0 == "/" || $0 == ":" || isWhitespace($0) }
        return isUnfit ? "interface name contains / or : or whitespace characters" : nil
    }

    /// Whether Unicode calls a character white space.
    ///
    /// Written out, because the standard library's answer brings tables of all properties of all characters with it.
    private static func isWhitespace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 9...13, 32, 0x85, 0xa0, 0x1680, 0x2000...0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000: true
        default: false
        }
    }

    /// Whether a text says yes: 1, or true in whatever letters.
    static func isTrue(_ text: String) -> Bool { text == "1" || isEqual(text, "true") }

    /// Whether two texts are equal but for the case of ASCII letters; the second one is in lower case.
    static func isEqual(_ text: String, _ lowercase: String) -> Bool {
        text.utf8.map { (65...90).contains($0) ? $0 | 32 : $0 } == Array(lowercase.utf8)
    }
}
