// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import Linux

/// The rules of the host that the calling thread is on, as far as the tool that lists them is installed.
enum PacketFilter {
    /// The lines that have one of the names in them.
    static func lines(
        naming names: [String],
        _ reporter: Reporter,
        on place: String = "",
        _ environment: Environment,
        _ signals: CInt
    ) -> [String] {
        let title = "look at packet filter rules" + (place.isEmpty ? "" : " of \(place)")
        guard let tool = Delegate.find("nft", in: "/usr/sbin:/sbin:/usr/bin") else {
            reporter.skipped(title, "nft is not installed")
            return []
        }
        let text: [UInt8]? = reporter.step(title) { () throws(Failure) in
            do throws(CNIError) {
                let outcome = try CNIError.attempt("run \(tool)") { () throws(Errno) in
                    let arguments = ["list", "ruleset"]
                    var child = try ChildProcess.start(tool, arguments: arguments, environment: environment, input: [])
                    return try child.finish(signals: signals)
                }
                return (outcome.output, "")
            } catch {
                throw Failure(error)
            }
        }
        return (text ?? []).split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
            .filter { line in names.contains { line.hasWord($0) } }
            .map { line in String(line.drop { $0 == "\t" || $0 == " " }) }
    }
}

extension Rehearsal {
    /// What a rule for the container would have to name: the container itself, its addresses, or its hash.
    func filterNames(_ list: NetworkList) -> [String] {
        let attachment = Attachment(network: list.name, containerID: container.id, interface: container.interface)
        let addresses = result?.ips.map { $0.address.address.description } ?? []
        return addresses + [container.id, attachment.hash, attachment.hostInterface]
    }
}

extension String {
    /// Whether a word is in the text, not as a part of a longer name or address.
    fileprivate func hasWord(_ word: String) -> Bool {
        let (text, word) = (Array(utf8), Array(word.utf8))
        guard !word.isEmpty, text.count >= word.count else { return false }
        return (0...(text.count - word.count)).contains { start in
            let end = start + word.count
            return text[start..<end].elementsEqual(word) && (start == 0 || !text[start - 1].continuesWord)
                && (end == text.count || !text[end].continuesWord)
        }
    }
}

extension UInt8 {
    /// Whether a name or address goes on with this byte.
    fileprivate var continuesWord: Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self)
            || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self) || self == UInt8(ascii: ":")
            || self == UInt8(ascii: ".")
    }
}
