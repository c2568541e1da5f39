// SPDX-License-Identifier: Apache-2.0

/// The way from the root of a configuration to a value, kept in steps.
///
/// It is written out only for an error, because a list of ports takes thousands of steps and none of them fails.
indirect enum ConfigPath: Sendable {
    case start(String)
    case member(ConfigPath, key: String)
    case element(ConfigPath, position: Int)

    /// The way as text, such as ipam.ranges[0][1].subnet; empty for the root.
    var text: String {
        switch self {
        case .start(let text): return text
        case .member(let parent, let key):
            let front = parent.text
            return front.isEmpty ? key : "\(front).\(key)"
        case .element(let parent, let position): return "\(parent.text)[\(position)]"
        }
    }
}
