// SPDX-License-Identifier: Apache-2.0

import Addressing
import Foundation
import Glibc
import Support
import Testing

@testable import AddressStore

/// Leases of containers that a start of the machine has ended.
@Suite struct ReclaimTests {
    private let folder: StoreFolder
    private let pool: [AddressRequest]
    private let set: RangeSet

    init() throws {
        folder = try StoreFolder()
        set = try rangeSet("10.0.0.0/30", [("10.0.0.1", "10.0.0.2", "10.0.0.1")])
        pool = [AddressRequest(set)]
    }

    /// Leaves the only address with a container of an earlier start of the machine.
    private func leaveLease(netns: String) throws {
        #expect(try folder.allocate(pool, to: lease("old"), boot: "first", netns: netns) == ["10.0.0.2"])
    }

    /// Whether another container gets the address after the next start.
    private func isReclaimed(sourceLocation: SourceLocation = #_sourceLocation) throws -> Bool {
        let isFree = try folder.hasFree(in: set, boot: "second")
        do throws(StoreError) { try folder.allocate(pool, to: lease("new"), boot: "second") } catch {
            #expect(error.kind == .exhausted, sourceLocation: sourceLocation)
            #expect(folder.read("10.0.0.2")?.hasPrefix("old") == true, sourceLocation: sourceLocation)
            #expect(!isFree, sourceLocation: sourceLocation)
            return false
        }
        #expect(isFree, sourceLocation: sourceLocation)
        #expect(folder.read("10.0.0.2") == "new\r\neth0", sourceLocation: sourceLocation)
        return true
    }

    @Test func aLeaseOfAnEarlierStartWhoseNamespaceIsGoneIsReclaimed() throws {
        try leaveLease(netns: folder.dataDir + "/gone")
        #expect(try isReclaimed())
    }

    @Test func aPlainFileInThePlaceOfTheNamespaceIsNoNamespace() throws {
        let directory = try TemporaryDirectory()
        try leaveLease(netns: try directory.write("", to: "netns"))
        #expect(try isReclaimed())
    }

    @Test func aLeaseOfThisStartIsKeptWhateverItsNamespace() throws {
        #expect(try folder.allocate(pool, to: lease("old"), boot: "second", netns: "/gone") == ["10.0.0.2"])
        #expect(try !isReclaimed())
    }

    @Test(.enabled(if: Privileges.canMakeNamespaces, "needs CAP_SYS_ADMIN, to make a namespace"))
    func aNamespaceThatIsThereAgainKeepsItsLease() throws {
        let container = try ContainerNamespace()
        try leaveLease(netns: container.path)
        #expect(try !isReclaimed())
        container.removePath()
        #expect(try isReclaimed())
    }

    @Test func anUnknownOriginIsKept() throws {
        try folder.write("old\r\neth0", to: "10.0.0.2")
        #expect(try !isReclaimed())
    }

    @Test(arguments: ["", "relative/path", "/" + String(repeating: "long", count: 34)])
    func aNamespaceWithoutAPathToLookAtIsKept(netns: String) throws {
        try leaveLease(netns: netns)
        #expect(try !isReclaimed())
    }

    @Test func aPathThatFitsExactlyIsReclaimed() throws {
        try leaveLease(netns: "/" + String(repeating: "l", count: 135))
        #expect(try isReclaimed())
    }

    @Test func aPathThatCannotBeLookedAtIsKept() throws {
        // ELOOP is neither there nor gone.
        let directory = try TemporaryDirectory()
        #expect(symlink("loop", directory.path("loop")) == 0)
        try leaveLease(netns: directory.path("loop"))
        #expect(try !isReclaimed())
    }

    @Test func aContainerThatComesBackGetsAnAddressAgain() throws {
        let wide = [AddressRequest(try rangeSet("10.0.0.0/24", [("10.0.0.2", "10.0.0.9", "10.0.0.1")]))]
        try folder.allocate(wide, to: lease("again"), netns: "/gone")
        #expect(failure { () throws(StoreError) in try folder.allocate(wide, to: lease("again")) }?.kind == .duplicate)
        #expect(try folder.allocate(wide, to: lease("again"), boot: "second") == ["10.0.0.3"])
        #expect(folder.read("10.0.0.2") == nil)
    }

    @Test func aRequestedAddressOfADeadContainerIsGiven() throws {
        try leaveLease(netns: "/gone")
        let request = [AddressRequest(set, address: try address("10.0.0.2"))]
        #expect(try folder.allocate(request, to: lease("new"), boot: "second") == ["10.0.0.2"])
        #expect(folder.read("10.0.0.2") == "new\r\neth0")
    }

    @Test func anIndexThatIsRebuiltKeepsTheOrigins() throws {
        try leaveLease(netns: "/gone")
        for number in 0..<3 {
            // Each of these makes the index anew.
            try folder.write("", to: "something\(number)")
            try folder.expectIndexMatchesFiles(boot: number == 2 ? "second" : "first")
        }
        #expect(try isReclaimed())
    }

    @Test func anIndexThatIsGrownKeepsTheOrigins() throws {
        try leaveLease(netns: "/gone")
        let wide = [AddressRequest(try rangeSet("10.1.0.0/16", [("10.1.0.2", "10.1.200.0", "10.1.0.1")]))]
        for number in 0..<200 { try folder.allocate(wide, to: lease("c\(number)"), netns: "") }
        #expect(try isReclaimed())
    }

    @Test func onlyTheDeadAreReclaimed() throws {
        let wide = AddressRequest(try rangeSet("10.0.0.0/24", [("10.0.0.2", "10.0.0.9", "10.0.0.1")]))
        try folder.allocate([wide], to: lease("dead"), netns: "/gone")
        try folder.allocate([wide], to: lease("unknown"), netns: "")
        try folder.allocate([wide], to: lease("living"), boot: "second", netns: "/gone")
        try folder.write("foreign", to: "10.0.0.9")
        for expected in [1, 0] {
            var store = try folder.open(boot: "second")
            #expect(try store.reclaimAll() == expected)
        }
        #expect(try folder.leases().keys.sorted() == ["10.0.0.3", "10.0.0.4", "10.0.0.9"])
        try folder.expectIndexMatchesFiles(boot: "second")
    }

    @Test func aForeignLeaseUnderADeadOnesAddressIsNotReclaimed() throws {
        try leaveLease(netns: "/gone")
        do {
            var store = try folder.open(boot: "second")
            // Without the lock, after the index was looked at.
            try folder.remove("10.0.0.2")
            try folder.write("foreign\r\neth0", to: "10.0.0.2")
            #expect(try store.reclaimAll() == 0)
        }
        #expect(folder.read("10.0.0.2") == "foreign\r\neth0")
    }
}
