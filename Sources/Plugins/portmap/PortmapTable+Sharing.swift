// SPDX-License-Identifier: Apache-2.0

import CNI
import Linux
import NFTables
import Rules

/// A container on two networks has the same mappings on both, because runtimes hand them to every attachment of it.
///
/// The first attachment serves a port. The others wait, which is written into their records with all that is needed to take
/// over when the first one goes.
extension PortmapTable {
    /// The chain that exists while anybody waits.
    private static var waiting: String { "waiting" }
    private static var mark: String { "=waits" }

    /// The elements that other attachments of the same container have already.
    static func taken(_ attachment: Attachment, _ belongings: Belongings) throws(CNIError) -> [Element] {
        let holders = try CNIError.rules { () throws(RulesError) in
            try table.holders(of: belongings.exclusiveElements)
        }
        return holders.filter { $0.owner != attachment.owner && container($0.owner) == attachment.containerID }.map {
            $0.element
        }
    }

    private static func container(_ owner: String) -> String {
        let parts = owner.utf8.split(separator: UInt8(ascii: "/"))
        return parts.count == 3 ? String(decoding: Array(parts[1]), as: UTF8.self) : ""
    }

    /// Lets an attachment wait for elements with the values that it would give them.
    static func wait(for elements: [(element: Element, value: String)], _ belongings: inout Belongings) {
        if elements.isEmpty { return }
        belongings.addSharedChain(
            waiting,
            elements: elements.map { (mark, joined($0.element.map, " ", $0.element.key, " : ", $0.value), "") }
        )
    }

    /// Gives elements that have become free to those who wait for them.
    static func handOver(_ free: [Element]) throws(CNIError) {
        if free.isEmpty { return }
        try CNIError.rules { () throws(RulesError) in
            guard let use = try table.use(ofChain: waiting), use > 0 else { return }
            let free = ElementSet(free)
            for wish in try table.lines(behind: mark) where free.contains(wish.element) { try table.fulfil(wish) }
        }
    }
}
