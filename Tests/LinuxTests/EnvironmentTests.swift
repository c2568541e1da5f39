// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Testing

/// The environment as a value.
@Suite struct EnvironmentTests {
    @Test func variablesAreFoundByTheirWholeName() {
        let environment = Environment(["CNI_IFNAME2=x", "CNI_IFNAME=eth0", "EMPTY=", "EQUALS=a=b", "NOTHING"])
        #expect(environment["CNI_IFNAME"] == "eth0")
        #expect(environment["CNI_IFNAME2"] == "x")
        #expect(environment["CNI_IF"] == nil)
        #expect(environment["cni_ifname"] == nil)
        #expect(environment["EMPTY"] == "")
        #expect(environment["EQUALS"] == "a=b")
        #expect(environment["NOTHING"] == nil)
    }

    @Test func settingReplacesInPlaceAppendsOrRemoves() {
        var environment = Environment(["A=1", "B=2", "C=3"])
        environment["B"] = "two"
        #expect(environment.entries == ["A=1", "B=two", "C=3"])
        environment["D"] = ""
        #expect(environment.entries == ["A=1", "B=two", "C=3", "D="])
        environment["A"] = nil
        environment["missing"] = nil
        #expect(environment.entries == ["B=two", "C=3", "D="])
    }

    @Test func aCopyIsAValue() {
        let original = Environment(["A=1"])
        var copy = original
        copy["A"] = "2"
        #expect(original["A"] == "1")
    }

    @Test func theCurrentOneIsThatOfTheProcess() {
        let current = Environment.current()
        for (name, value) in ProcessInfo.processInfo.environment { #expect(current[name] == value) }
    }
}
