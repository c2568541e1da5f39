// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The files that libcni and cnictl share, and garbage collection, which lives off them.
@Suite(.enabled(if: PrivateHost.isRoot, "needs root, for namespaces"))
struct CacheTests {
    private let network: RecordingNetwork
    private let list = #"{"cniVersion":"1.1.0","name":"net","plugins":[{"type":"one","capabilities":{"mac":true}}]}"#
    private let file = "/var/lib/cni/results/net-cnitool-df26705e2e4ffd095eb1-eth0"

    /// Makes a network for this test.
    init() throws {
        network = try RecordingNetwork()
        try network.configure(list)
    }

    /// A file as libcni writes it, for a container of any name.
    private func foreign(_ container: String, version: String = "1.1.0", kind: String = "cniCacheV1") -> String {
        let config = Data(list.utf8).base64EncodedString()
        return """
            mkdir -p /var/lib/cni/results; cat >/var/lib/cni/results/net-\(container)-eth0 <<'END'
            {"kind":"\(kind)","containerId":"\(container)","config":"\(config)","ifName":"eth0","networkName":"net",\
            "netns":"/run/netns/\(container)","cniArgs":[["K8S_POD_NAME","pod"]],"capabilityArgs":{"mac":"02:00:00:00:00:07"},\
            "result":{"cniVersion":"\(version)","dns":{},"interfaces":[{"name":"theirs"}],"ips":[{"address":"10.1.0.9/16"\
            \(version < "1.0.0" ? ",\"version\":\"4\"" : "")}]}}
            END

            """
    }

    @Test func theFileIsWhatLibcniWrites() throws {
        let outcome = try network.script(
            "$CNICTL add net /run/netns/blue >/dev/null; stat -c '%a %A' \(file) >&2; ls -A /var/lib/cni/results >&2; cat \(file)",
            ["CNI_ARGS": "IP=10.1.0.5", "CAP_ARGS": #"{"mac":"02:00:00:00:00:01"}"#]
        )
        let json = outcome.json
        #expect(outcome.error == "600 -rw-------\nnet-cnitool-df26705e2e4ffd095eb1-eth0\n")
        #expect(
            Set(json.keys) == [
                "kind", "containerId", "config", "ifName", "networkName", "netns", "cniArgs", "capabilityArgs",
                "result",
            ]
        )
        #expect(json["kind"] as? String == "cniCacheV1")
        #expect(json["containerId"] as? String == "cnitool-df26705e2e4ffd095eb1")
        #expect(Data(base64Encoded: json["config"] as? String ?? "") == Data(list.utf8))
        #expect(json["ifName"] as? String == "eth0")
        #expect(json["networkName"] as? String == "net")
        #expect(json["netns"] as? String == "/run/netns/blue")
        #expect(json["cniArgs"] as? [[String]] == [["IP", "10.1.0.5"]])
        #expect(json["capabilityArgs"] as? [String: String] == ["mac": "02:00:00:00:00:01"])
        let result = json["result"] as? [String: Any]
        #expect((result?["interfaces"] as? [[String: Any]])?.first?["name"] as? String == "one")
    }

    @Test(arguments: ["1.1.0", "0.4.0"])
    func deleteEndsWhatAnotherProgramBegan(_ version: String) throws {
        let script = foreign("cnitool-df26705e2e4ffd095eb1", version: version)
        let outcome = try network.script("\(script)$CNICTL del net /run/netns/blue && ls /var/lib/cni/results")
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(outcome.output == "")
        let previous = try network.calls().first?.previous
        #expect((previous?["interfaces"] as? [[String: Any]])?.first?["name"] as? String == "theirs")
        #expect(previous?["cniVersion"] as? String == "1.1.0")
    }

    @Test(arguments: ["", "{", "[]", #"{"kind":"cniCacheV1","result":{"ips":7}}"#, #"{"kind":"cniCacheV9"}"#])
    func aDamagedFileDoesNotStopDelete(_ text: String) throws {
        let outcome = try network.script(
            "mkdir -p /var/lib/cni/results; echo '\(text)' >\(file); $CNICTL del net /run/netns/blue && ls /var/lib/cni/results"
        )
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(outcome.output == "")
        #expect(try network.calls().map { $0.title } == ["one DEL"])
    }

    @Test func collectionDetachesAllThatIsNotKept() throws {
        let outcome = try network.script(
            foreign("a") + foreign("b") + foreign("c")
                + "$CNICTL gc net --keep b/eth0 --keep c/other && ls /var/lib/cni/results"
        )
        let calls = try network.calls()
        #expect(outcome.code == 0, "\(outcome.error)")
        #expect(outcome.output == "net-b-eth0\n")
        try #require(calls.map { $0.title } == ["one DEL", "one DEL", "one GC"])
        #expect(calls.map { $0.attachment } == ["a/eth0", "c/eth0", "/"])
        #expect(calls[0].arguments == "K8S_POD_NAME=pod")
        #expect(calls[0].input["runtimeConfig"] as? [String: String] == ["mac": "02:00:00:00:00:07"])
        let kept = [["containerID": "b", "ifname": "eth0"], ["containerID": "c", "ifname": "other"]]
        #expect(calls[2].input["cni.dev/valid-attachments"] as? [[String: String]] == kept)
        #expect(calls[2].input["cni.dev/attachments"] as? [[String: String]] == kept)
        #expect(calls[2].previous == nil)
    }

    @Test func withoutAListNothingIsKept() throws {
        let outcome = try network.script(foreign("a") + "$CNICTL gc net && ls /var/lib/cni/results")
        #expect(outcome.output == "", "\(outcome.error)")
        #expect(try network.calls().map { $0.title } == ["one DEL", "one GC"])
        #expect((try network.calls().last?.input["cni.dev/valid-attachments"] as? [Any])?.isEmpty == true)
    }

    @Test func collectionGoesOnAfterAFailure() throws {
        try network.fail("one", at: "DEL")
        let outcome = try network.script(foreign("a") + "$CNICTL gc net; c=$?; ls /var/lib/cni/results; exit $c")
        #expect(outcome.code == 1)
        #expect(outcome.output == "net-a-eth0\n")
        #expect(try network.calls().map { $0.title } == ["one DEL", "one GC"])
    }

    @Test func collectionCanBeForbidden() throws {
        try network.configure(#"{"cniVersion":"1.1.0","name":"net","disableGC":"true","plugins":[{"type":"one"}]}"#)
        let outcome = try network.script(foreign("a") + "$CNICTL gc net && ls /var/lib/cni/results")
        #expect(outcome.output == "net-a-eth0\n")
        #expect(try network.calls().isEmpty)
    }
}
