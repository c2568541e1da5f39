// SPDX-License-Identifier: Apache-2.0

import Addressing
import CNI
import JSON
import Linux

/// What is there after the last DEL.
extension Trial {
    /// Compares everything with how it was before the first ADD.
    func lookForLeftovers() {
        guard let before else { return }
        let found: Leftovers? = reporter.step("look at interfaces, routes, leases") { () throws(Failure) in
            do throws(CNIError) {
                var found = Leftovers()
                found.compare(before, try HostState.capture(), at: "host")
                for subject in containers {
                    found.compare(subject.before, try HostState.capture(in: subject.container.netns), at: subject.name)
                }
                return (found, "")
            } catch {
                throw Failure(error)
            }
        }
        leftovers = found ?? leftovers
        let store = LeaseStore(list)
        for lease in store.leases() { leftovers.add("lease of \(lease.address.description) for \(lease.containerID)") }
        for container in ResultCache().containers(of: list.name) { leftovers.add("kept result of \(container.id)") }
        for rule in rulesLeft() { leftovers.add("rule \(rule)") }
        for thing in leftovers.shared { reporter.show(["  stays, shared: \(thing)"]) }
        for leak in leftovers.leaks { reporter.failed("left behind", leak) }
    }

    /// The lines of the packet filter that still name a container, as far as the tool for it is installed.
    private func rulesLeft() -> [String] {
        guard let tool = Delegate.find("nft", in: "/usr/sbin:/sbin:/usr/bin") else {
            reporter.skipped("look at packet filter rules", "nft is not installed")
            return []
        }
        let text: [UInt8]? = reporter.step("look at packet filter rules") { () throws(Failure) in
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
        let names = containers.flatMap { tokens(of: $0) }
        return (text ?? []).split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
            .filter { line in names.contains { line.hasWord($0) } }
            .map { line in String(line.drop { $0 == "\t" || $0 == " " }) }
    }

    /// What a rule for a container would have to name: the container itself, its addresses, or its hash.
    private func tokens(of subject: Rehearsal) -> [String] {
        let attachment = Attachment(
            network: list.name,
            containerID: subject.container.id,
            interface: subject.container.interface
        )
        let addresses = subject.result?.ips.map { $0.address.address.description } ?? []
        return addresses + [subject.container.id, attachment.hash, attachment.hostInterface]
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
