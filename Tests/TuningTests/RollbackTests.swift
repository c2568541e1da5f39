// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

/// A failed ADD leaves the container and the files as they were.
@Suite("Rollback of tuning", .ownNetworkNamespace)
struct RollbackTests {
    private let network: TunedNetwork

    init() throws { network = try TunedNetwork() }

    private func failAfterEachStep(steps: Int) throws {
        let before = try network.state()
        for step in 1...steps {
            let failing = network.process(
                "ADD",
                TunedNetwork.everything,
                environment: ["CNI_FAIL_AFTER_STEP": "\(step)"]
            )
            try network.fail(failing, 11, "step \(step)")
            try network.expectUnchanged(since: before, "step \(step)")
        }
        let late = ["CNI_FAIL_AFTER_STEP": "\(steps + 1)"]
        try network.add(TunedNetwork.everything, environment: late)
        #expect(try network.properties() == TunedNetwork.tuned)
    }

    // The file, two settings, and five properties.
    @Test func afterEachStep() throws { try failAfterEachStep(steps: 8) }

    @Test func afterEachStepTheFileOfAnEarlierCallIsWhatItWas() throws {
        try network.add(#""mtu":1450"#)
        try failAfterEachStep(steps: 8)
        #expect(try network.text().contains("1500"))
    }

    @Test(
        arguments: [
            #""mac":"02:00:00:00:00:99","sysctl":{"net.core.somaxconn":"500","net.ipv4.conf.IFNAME.arp_filter":"many"}"#,
            #""mac":"02:00:00:00:00:99","promisc":true,"sysctl":{"net.core.somaxconn":"500"},"mtu":70000"#,
            #""mac":"02:00:00:00:00:99","allmulti":true,"mtu":67,"txQLen":77"#,
        ]
    )
    func afterTheKernelRefuses(members: String) throws {
        let before = try network.state()
        try network.fail(network.process("ADD", members), 100, "EINVAL")
        try network.expectUnchanged(since: before)
    }

    @Test func afterTheResultCannotBeDelivered() throws {
        let before = try network.state()
        var process = network.process("ADD", TunedNetwork.everything)
        process.output = .full
        #expect(try process.run().exitCode == 1)
        try network.expectUnchanged(since: before)
    }
}
