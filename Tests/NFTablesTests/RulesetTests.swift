// SPDX-License-Identifier: Apache-2.0

import Linux
import Support
import Testing

@testable import NFTables

/// What the library and the kernel do with transactions.
///
/// One after the other, because the library has global variables.
@Suite(.ownNetworkNamespace, .serialized)
struct RulesetTests {
    private static let table = Table("bridge try")

    private func transaction(_ build: (inout Transaction) -> Void) -> Transaction {
        var transaction = Transaction("try", in: Self.table)
        build(&transaction)
        return transaction
    }

    /// Runs what must be refused, and returns how it was.
    private func refusal(_ rules: inout Ruleset<RulesError>, _ build: (inout Transaction) -> Void) -> RulesError? {
        do { try rules.run(transaction(build)) } catch { return error }
        Issue.record("nobody refused")
        return nil
    }

    private var founding: Transaction {
        transaction {
            $0.create(.table)
            $0.add(.counter("hits"))
            $0.add(.map("ports", "type ifname : verdict;"))
            $0.create(.chain("one"))
            $0.add(.rule(in: "one", "counter name hits drop comment \(Object.quoted("lan/c1"))"))
            $0.add(.element(of: "ports", "\"veth1\" : jump one"))
        }
    }

    private func ruleset() throws -> String { try Programs.run("nft", "-s", "list", "ruleset") }

    @Test func aTransactionHappensAndIsListed() throws {
        var rules = try Ruleset<RulesError>.open()
        #expect(try rules.list(Self.table)?.contains("") == nil)
        try rules.run(founding)
        let listing = try #require(try rules.list(Self.table))
        #expect(listing.contains("chain one {\n\t\tcounter name \"hits\" drop comment \"lan/c1\""))
        let chains = listing.blocks("\tchain ").filter { $0.name.hasPrefix("o") }
        #expect(chains.filter { $0.text.mentions("comment \"lan/") }.map { $0.name } == ["one"])
        #expect(chains.filter { $0.text.mentions("comment \"man/") }.map { $0.name } == [])
        #expect(try #require(try rules.list(Self.table, .map("ports"))).count(" : jump ") == 1)
        #expect(try rules.list(Self.table, .map("other"))?.contains("") == nil)
    }

    @Test func whatIsMissingIsNotFound() throws {
        var rules = try Ruleset<RulesError>.open()
        let error = try #require(refusal(&rules) { $0.add(.chain("one")) })
        #expect(error.errno == .noSuchFile)
        #expect(error.text.contains("add chain bridge try one"))
        #expect(error.operation == "try")
        #expect(refusal(&rules) { $0.delete(.table) }?.errno == .noSuchFile)
        #expect(refusal(&rules) { $0.add(.element(of: "ports", "\"a\" : drop")) }?.errno == .noSuchFile)
        try rules.run(founding)
        #expect(refusal(&rules) { $0.add(.rule(in: "two", "drop")) }?.errno == .noSuchFile)
        #expect(refusal(&rules) { $0.delete(.element(of: "ports", "\"a\" : drop")) }?.errno == .noSuchFile)
        #expect(refusal(&rules) { $0.flush(.chain("two")) }?.errno == .noSuchFile)
    }

    @Test func whatIsThereAlreadyExists() throws {
        var rules = try Ruleset<RulesError>.open()
        try rules.run(founding)
        #expect(refusal(&rules) { $0.create(.table) }?.errno == .fileExists)
        #expect(refusal(&rules) { $0.create(.chain("one")) }?.errno == .fileExists)
        #expect(refusal(&rules) { $0.add(.element(of: "ports", "\"veth1\" : drop")) }?.errno == .fileExists)
        try rules.run(transaction { $0.add(.element(of: "ports", "\"veth1\" : jump one")) })
    }

    @Test func whatIsUsedIsBusyUntilItIsNot() throws {
        var rules = try Ruleset<RulesError>.open()
        try rules.run(founding)
        #expect(refusal(&rules) { $0.delete(.counter("hits")) }?.errno == .busy)
        #expect(refusal(&rules) { $0.delete(.chain("one")) }?.errno == .busy)
        try rules.run(
            transaction {
                $0.delete(.element(of: "ports", "\"veth1\" : jump one"))
                $0.delete(.chain("one"))
                $0.delete(.counter("hits"))
                $0.delete(.table)
            }
        )
        #expect(try ruleset() == "")
    }

    @Test func textThatIsNoRuleIsRefusedWithItsPlace() throws {
        var rules = try Ruleset<RulesError>.open()
        try rules.run(founding)
        let error = try #require(refusal(&rules) { $0.add(.rule(in: "one", "no such words")) })
        #expect(error.errno == .invalidArgument)
        #expect(error.text.contains("syntax error"))
        #expect(!error.text.contains("\n") && !error.text.contains("^"))
    }

    @Test func aNameInACommandIsNoSentence() throws {
        var rules = try Ruleset<RulesError>.open()
        try rules.run(founding)
        let error = refusal(&rules) { $0.add(.rule(in: "one", "no such words comment \"File exists\"")) }
        #expect(error?.errno == .invalidArgument)
    }

    @Test func ofARefusedTransactionNothingStays() throws {
        var rules = try Ruleset<RulesError>.open()
        try rules.run(founding)
        let before = try ruleset()
        _ = refusal(&rules) {
            $0.add(.chain("two"))
            $0.add(.rule(in: "two", "drop"))
            $0.create(.chain("one"))
        }
        #expect(try ruleset() == before)
    }

    @Test func aCheckChangesNothing() throws {
        var rules = try Ruleset<RulesError>.open()
        try rules.check(founding)
        #expect(try ruleset() == "")
        try rules.run(founding)
        let founding = founding
        #expect(throws: RulesError.self) { try rules.check(founding) }
    }

    @Test func oneOfTwoCreatorsIsToldThatItWasLate() throws {
        var first = try Ruleset<RulesError>.open()
        var second = try Ruleset<RulesError>.open()
        // Both look, and find nothing; then both act.
        #expect(try first.list(Self.table)?.contains("") == nil)
        #expect(try second.list(Self.table)?.contains("") == nil)
        try first.run(founding)
        #expect(refusal(&second) { $0.create(.table) }?.errno == .fileExists)
        try second.run(transaction { $0.create(.chain("two")) })
        try first.run(transaction { $0.delete(.table) })
        #expect(refusal(&second) { $0.create(.chain("three")) }?.errno == .noSuchFile)
    }

    @Test func aRulesetBelongsToTheNamespaceWhereItWasOpened() throws {
        let container = try ContainerNamespace()
        var inside = try container.perform { () throws(RulesError) in try Ruleset<RulesError>.open() }
        try inside.run(founding)
        #expect(try ruleset() == "")
        #expect(try container.inside { try ruleset() }.contains("table bridge try"))
    }
}
