// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Testing

/// Kernel settings of the namespace of the thread.
@Suite(.ownNetworkNamespace) struct SysctlTests {
    private let key = "net/ipv4/conf/lo/forwarding"

    @Test func readingLeavesTheLineEndOut() throws {
        #expect(["0", "1"].contains(try Sysctl.read(key)))
    }

    @Test func ensuringChangesOnlyWhatDiffers() throws {
        try Sysctl.write(key, "0")
        #expect(try Sysctl.ensure(key, "0") == nil)
        #expect(try Sysctl.ensure(key, "1") == "0")
        #expect(try Sysctl.ensure(key, "1") == nil)
        #expect(try Sysctl.read(key) == "1")
    }

    @Test func settingsAreThoseOfTheThreadsNamespace() throws {
        let container = try ContainerNamespace()
        try Sysctl.write(key, "0")
        try container.inside { try Sysctl.write(key, "1") }
        #expect(try Sysctl.read(key) == "0")
        #expect(try container.inside { try Sysctl.read(key) } == "1")
    }

    @Test func aSettingThatIsRightIsNotWrittenEvenWhereThatIsForbidden() throws {
        // Nobody can write this one, root included.
        let forbidden = "kernel/random/boot_id"
        #expect(try Sysctl.ensure(forbidden, try Clock.bootIdentifier()) == nil)
        #expect(throws: Errno.self) { try Sysctl.ensure(forbidden, "other") }
    }

    @Test func aMissingSettingIsAnError() {
        #expect(throws: Errno.noSuchFile) { try Sysctl.ensure("net/ipv4/conf/missing/forwarding", "1") }
    }

    @Test func aWrongValueIsTheKernelsError() {
        #expect(throws: Errno.invalidArgument) { try Sysctl.write(key, "perhaps") }
    }
}
