// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Support
import Testing

/// What a plugin makes of a plugin that it calls: section 7.
@Suite("Delegation", .privateHost)
struct DelegateTests {
    private let host: Host
    private let container: ContainerNamespace
    private let network: Value

    init() throws {
        host = try Host()
        container = try ContainerNamespace()
        network = host.network("bridge", with: ["ipam": ["type": "fake", "note": "  kept \u{e4} "]])
    }

    private func call(_ command: String, _ fake: FakePlugin) -> Call {
        host.call(command, network, in: container).with(["CNI_PATH": fake.path])
    }

    private static let addresses =
        #"echo '{"cniVersion":"1.1.0","ips":[{"address":"10.5.0.9/24","gateway":"10.5.0.1"}]}'"#

    @Test func theDelegateGetsEnvironmentAndInputAsTheyCame() throws {
        let fake = try FakePlugin(on: host, ["ADD": Self.addresses])
        var add = call("ADD", fake).with(["CNI_ARGS": "IgnoreUnknown=1;A=b", "CNI_TRACE_TEST": "x"])
        let text = " \n" + network.text + "\n\t"
        add.input = .bytes(Array(text.utf8))
        let result = try add.run().succeeded().result
        #expect(String(decoding: fake.input("ADD"), as: UTF8.self) == text)
        let check = network.with(["prevResult": result])
        try host.call("CHECK", check, in: container).with(["CNI_PATH": fake.path]).run().succeeded()
        #expect(try Value(parsing: fake.input("CHECK"))["prevResult"] == result)
        for command in ["STATUS", "GC", "DEL"] { try call(command, fake).run().succeeded() }
        #expect(
            fake.calls == ["ADD c1 eth0 IgnoreUnknown=1;A=b", "CHECK c1 eth0 ", "STATUS   ", "GC   ", "DEL c1 eth0 "]
        )
    }

    @Test(arguments: [
        #"{"cniVersion":"1.1.0","ips":[{"address":"10.5.0.9/24"}]}"#, #"{"ips":[{"address":"10.5.0.9/24"}],"dns":{}}"#,
        #"{"cniVersion":"0.2.0","ip4":{"ip":"10.5.0.9/24","gateway":"10.5.0.1"}}"#,
        #"{"ip4":{"ip":"10.5.0.9/24"},"dns":{}}"#,
        #"{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.5.0.9/24","interface":-1},null],"routes":null}"#,
        #"{"cniVersion":"","interfaces":[],"ips":[{"address":"::ffff:10.5.0.9/120"}]}"#,
    ])
    func everyFormOfResultIsRead(text: String) throws {
        let fake = try FakePlugin(on: host, ["ADD": "echo '\(text)'"])
        let result = try call("ADD", fake).run().succeeded().result
        #expect(result["ips"]?[0]?["address"] == "10.5.0.9/24")
        #expect(try container.inside { try Network.addresses("eth0") } == ["10.5.0.9/24"])
    }

    @Test(arguments: [
        #"echo '{"cniVersion":"0.4.0","code":77,"msg":"all is lost","details":"quite"}'; exit 1"#,
        #"echo noise >&2; echo '{"code":77,"msg":"all is lost","details":"quite","more":1}'; exit 3"#,
    ])
    func theErrorOfADelegateIsPassedOnUnchanged(script: String) throws {
        let fake = try FakePlugin(on: host, ["ADD": script])
        let before = try host.state(container)
        let answer = try call("ADD", fake).run().failed(77)
        #expect(answer.document?["msg"] == "all is lost")
        #expect(answer.document?["details"] == "quite")
        #expect(fake.commands == ["ADD", "DEL"])
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: [
        ("exit 3", "code 3"), ("echo help >&2; exit 1", "help"), ("echo rubbish; exit 1", "rubbish"),
        ("kill -9 $$", "signal 9"),
        ("kill -SEGV $$", "signal 11"), (#"echo '{"code":"7","msg":"x"}'; exit 1"#, "code"),
        (#"echo '{}'; exit 1"#, "{}"),
        (#"echo '{"code":0,"msg":"x"}'; exit 1"#, "x"), (#"printf '\377\376'; exit 1"#, "code 1"),
    ])
    func aDelegateThatDiesWithoutAnErrorDocumentIsNamed(script: String, sign: String) throws {
        let fake = try FakePlugin(on: host, ["ADD": script])
        let before = try host.state(container)
        try call("ADD", fake).run().failed(106, "fake", sign)
        #expect(fake.commands == ["ADD", "DEL"])
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: [
        "", "echo rubbish", "echo '[]'", "echo null", "echo '{'", #"echo '{"ips":[{"address":"x"}]}'"#,
        #"echo '{"ips":5}'"#,
        #"echo '{"cniVersion":"9.9.9","ips":[{"address":"10.5.0.9/24"}]}'"#, "echo '{}{}'", "echo '{}'",
        #"echo '{"cniVersion":"1.1.0","ips":[]}'"#, #"echo '{"cniVersion":"1.1.0","dns":{"domain":"x"}}'"#,
    ])
    func aResultThatIsNoneIsAnErrorAndUndone(script: String) throws {
        let fake = try FakePlugin(on: host, ["ADD": script])
        let before = try host.state(container)
        let answer = try call("ADD", fake).run()
        #expect([6, 106].contains(answer.code), "\(answer)")
        #expect(fake.commands == ["ADD", "DEL"])
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ["ADD", "CHECK", "DEL", "GC", "STATUS"])
    func theDelegatesFailureIsOursInEveryCommand(command: String) throws {
        let fake = try FakePlugin(on: host, ["ADD": Self.addresses])
        let result = try call("ADD", fake).run().succeeded().result
        try call("DEL", fake).run()
        let other = try FakePlugin(
            "other",
            on: host,
            [command: #"echo '{"code":88,"msg":"no","details":"n"}'; exit 1"#]
        )
        let network = network.with(["ipam": ["type": "other"], "prevResult": result, "cni.dev/valid-attachments": []])
        try host.call(command, network, in: container).with(["CNI_PATH": other.path]).run().failed(88, "no: n")
        #expect(other.commands.first == command)
    }

    @Test(arguments: [true, false])
    func aMegabyteOnStandardErrorDoesNoHarm(succeeds: Bool) throws {
        let noise = "/usr/bin/head -c 1048576 /dev/zero | /usr/bin/tr '\\0' x >&2"
        let end = succeeds ? Self.addresses : #"echo '{"code":77,"msg":"x","details":"y"}'; exit 1"#
        let fake = try FakePlugin(on: host, ["ADD": "\(noise); \(end)"])
        let answer = try call("ADD", fake).run()
        if succeeds { answer.succeeded() } else { answer.failed(77, "x: y") }
        #expect(answer.stderr.utf8.count { $0 == UInt8(ascii: "x") } == 1 << 20)
    }

    @Test func aMegabyteOnStandardOutputIsRead() throws {
        let noise = "/usr/bin/head -c 1048576 /dev/zero | /usr/bin/tr '\\0' ' '"
        let fake = try FakePlugin(on: host, ["ADD": "\(noise); \(Self.addresses); \(noise)"])
        try call("ADD", fake).run().succeeded()
    }

    @Test func aDelegateThatReadsNothingDoesNoHarm() throws {
        let deaf = try FakePlugin("deaf", on: host, ["ADD": Self.addresses], reads: false)
        let network = network.with(["ipam": ["type": "deaf", "note": .string(String(repeating: "x", count: 1 << 20))]])
        try host.call("ADD", network, in: container).with(["CNI_PATH": deaf.path]).run().succeeded()
    }

    @Test func aMissingDelegateIsNamedWithThePath() throws {
        let before = try host.state(container)
        for command in ["ADD", "DEL", "CHECK"] {
            let call = host.call(command, network, in: container).with(["CNI_PATH": "/nowhere:/else"])
            try call.run().failed(106, "fake", "/nowhere /else")
        }
        try host.expectUnchanged(since: before, container)
    }

    @Test(arguments: ["../fake", "/bin/sh", "a/b", ".", ".."])
    func aTypeIsTheNameOfAFile(type: String) throws {
        let before = try host.state(container)
        let network = network.with(["ipam": ["type": .string(type)]])
        let answer = try host.call("ADD", network, in: container).run()
        #expect([7, 106].contains(answer.code), "\(answer)")
        try host.expectUnchanged(since: before, container)
    }

    @Test func thePathIsSearchedFromTheLeftForARegularFile() throws {
        let (left, right) = (
            try FakePlugin("left", on: host, [:]), try FakePlugin("fake", on: host, ["ADD": Self.addresses])
        )
        try host.directory.write("", to: "folder/fake/file")
        _ = left
        let path = "/nowhere:\(host.directory.path("folder")):\(host.directory.path("fake-left")):\(right.path)"
        try host.call("ADD", network, in: container).with(["CNI_PATH": path]).run().succeeded()
        #expect(right.commands == ["ADD"])
    }
}
