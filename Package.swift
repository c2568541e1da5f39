// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// Whether plugins and libraries are compiled as Embedded Swift, as `make release` does.
///
/// The sources are the same both ways; only what is linked in differs, and by that the size and the time to start.
let isEmbedded = Context.environment["SWIFT_CNI_EMBEDDED"] == "1"

let common: [SwiftSetting] = [.swiftLanguageMode(.v6)]

/// The elements of arrays that are appended to in many places, as the compiler spells them: bytes, slices of bytes, texts, and
/// what differs on a tunnel.
///
/// Inlined, each append would be the making of a larger array as well. A name that fits nothing any more costs size only.
let appended = [
    "s5UInt8V", "s10ArraySliceVys5UInt8VG", "SS", "7Overlay12TunnelChangeO", "7Overlay11TunnelEntryO",
    "11VxlanPlugin0B7NetworkV16BridgeCorrectionO",
]

/// What texts are made of in many places: bytes, and slices of bytes.
let decoded = ["Says5UInt8VG", "s10ArraySliceVys5UInt8VG"].map {
    "$eSS8decoding2asSSx_q_mtcSlRzs16_UnicodeEncodingR_8CodeUnitQy_7ElementRtzr0_lufC\($0)_s0C0O4UTF8OTt0t1g5"
}

/// Code of a library is made where it is used, in the executable; else every module would hold a copy of it, and the linker
/// keeps them all, because Embedded Swift puts the functions of a file into one section.
let embedded: [SwiftSetting] = [
    .enableExperimentalFeature("Embedded"),
    .enableExperimentalFeature("DeferredCodeGen"),
    .unsafeFlags([
        "-wmo", "-Osize", "-Xfrontend", "-function-sections",
        // Nothing is ever thrown through a frame of Embedded Swift.
        "-Xcc", "-fno-asynchronous-unwind-tables",
        // Inlined into each message, these functions of the standard library would be a quarter of a plugin.
        "-Xllvm", "-sil-inline-never-functions=DefaultStringInterpolation",
    ]),
    .unsafeFlags(appended.flatMap { ["-Xllvm", "-sil-inline-never-function=$eSa6appendyyxnF\($0)_Tg5"] }),
    .unsafeFlags(decoded.flatMap { ["-Xllvm", "-sil-inline-never-function=\($0)"] }),
]

/// The same instructions in many places become a function, which Embedded Swift's code has to be named for, because the linker
/// may merge it as well.
let outlined: [SwiftSetting] = [
    .unsafeFlags(["-Xllvm", "-enable-machine-outliner=always", "-Xllvm", "-enable-linkonceodr-outlining"])
]

/// What is compiled for users; `isSmall` tells whether it is to take little room, for which whatever computes a lot takes a fifth
/// longer.
func shipped(isSmall: Bool = true) -> [SwiftSetting] {
    common + [.strictMemorySafety()] + (isEmbedded ? embedded + (isSmall ? outlined : []) : [])
}

/// A library of the suite.
func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(name)", swiftSettings: shipped())
}

/// An executable that is shipped, called like the folder that holds it.
func executable(
    _ folder: String,
    target: String,
    _ dependencies: [Target.Dependency],
    links: [String] = [],
    isSmall: Bool = true
) -> Target {
    let path = "Sources/\(folder)"
    return .executableTarget(
        name: target,
        dependencies: dependencies,
        path: path,
        exclude: folder == "cnictl" ? [] : ["README.md"],
        swiftSettings: shipped(isSmall: isSmall),
        linkerSettings: links.map { .linkedLibrary($0) }
    )
}

/// The tests of a module or of an executable.
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies + ["Support"], path: "Tests/\(name)", swiftSettings: common)
}

let interfacePlugin: [Target.Dependency] = ["Addressing", "CNI", "Interfaces", "JSON", "Linux", "Netlink"]

let rulePlugin: [Target.Dependency] = interfacePlugin + ["NFTables", "Rules"]

/// What the standard library needs to take texts apart by characters, as only a tool that people read does.
let characterTables = isEmbedded ? ["swiftUnicodeDataTables"] : []

/// The plugins and tools, by the name of the file that is installed.
let executables: [(name: String, target: Target)] = [
    ("bridge", executable("Plugins/bridge", target: "BridgePlugin", rulePlugin, links: ["mnl"])),
    (
        "host-local",
        executable(
            "Plugins/host-local",
            target: "HostLocalPlugin",
            ["Addressing", "AddressStore", "CNI", "JSON", "Linux"]
        )
    ),
    (
        "firewall",
        executable("Plugins/firewall", target: "FirewallPlugin", rulePlugin + ["SystemBus"], links: ["mnl"])
    ),
    (
        "portmap",
        executable("Plugins/portmap", target: "PortmapPlugin", rulePlugin, links: ["mnl"])
    ),
    ("loopback", executable("Plugins/loopback", target: "LoopbackPlugin", interfacePlugin, links: ["mnl"])),
    ("vxlan", executable("Plugins/vxlan", target: "VxlanPlugin", rulePlugin + ["Overlay"], links: ["mnl"])),
    ("tuning", executable("Plugins/tuning", target: "TuningPlugin", interfacePlugin, links: ["mnl"])),
    (
        "overlayd",
        executable(
            "overlayd",
            target: "overlayd",
            ["Addressing", "CNI", "Claims", "Etcd", "Interfaces", "JSON", "Linux", "Netlink", "Overlay"],
            links: ["mnl"],
            isSmall: false
        )
    ),
    (
        "cnictl",
        executable(
            "cnictl",
            target: "cnictl",
            ["Addressing", "CNI", "JSON", "Linux", "Netlink"],
            links: ["mnl"] + characterTables
        )
    ),
]

let libraries: [Target] = [
    .target(
        name: "CLinux",
        path: "Sources/CLinux",
        cSettings: isEmbedded ? [.define("SWIFT_CNI_EMBEDDED")] : []
    ),
    .systemLibrary(name: "CLibMNL", path: "Sources/CLibMNL", pkgConfig: "libmnl", providers: [.apt(["libmnl-dev"])]),
    // These libraries are loaded when they are needed, so nothing is linked.
    .target(name: "CLibNFTables", dependencies: ["CLinux"], path: "Sources/CLibNFTables"),
    .target(name: "CSystemBus", path: "Sources/CSystemBus"),
    // A daemon that runs for months has no reason to load a library late.
    .target(name: "CLibCURL", path: "Sources/CLibCURL", linkerSettings: [.linkedLibrary("curl")]),
    library("Linux", ["CLinux"]),
    library("JSON"),
    library("Addressing"),
    library("Netlink", ["Addressing", "CLibMNL", "Linux"]),
    library("NFTables", ["Addressing", "CLibNFTables", "Linux"]),
    library("SystemBus", ["CSystemBus", "Linux"]),
    library("CNI", ["Addressing", "JSON", "Linux"]),
    library("AddressStore", ["Addressing", "Linux"]),
    library("Interfaces", ["Addressing", "CNI", "JSON", "Linux", "Netlink"]),
    library("HTTP", ["CLibCURL", "Linux"]),
    library("Etcd", ["HTTP", "JSON", "Linux"]),
    library("Overlay", ["Addressing", "CNI", "Interfaces", "JSON", "Linux", "Netlink"]),
    library("Claims", ["Addressing", "Overlay"]),
    library("Rules", ["Addressing", "CNI", "Interfaces", "JSON", "Linux", "NFTables"]),
]

/// Tests and benchmarks: ordinary Swift, which is not built where only what is shipped is wanted.
let development: [Target] = [
    .target(name: "Support", dependencies: ["CLinux", "Linux"], path: "Tests/Support", swiftSettings: common),
    tests("LinuxTests", ["CLinux", "Linux"]),
    tests("JSONTests", ["JSON"]),
    tests("AddressingTests", ["Addressing"]),
    tests("NetlinkTests", ["Addressing", "Linux", "Netlink"]),
    tests("NFTablesTests", ["CLibNFTables", "Linux", "NFTables"]),
    tests("SystemBusTests", ["Linux", "SystemBus"]),
    tests("FirewalldTests", ["Addressing", "CNI", "FirewallPlugin", "Linux", "SystemBus"]),
    tests("RulesTests", ["CNI", "NFTables", "Rules"]),
    tests("BridgeTests", []),
    tests("PortmapTests", ["Linux"]),
    tests("FirewallTests", []),
    tests("CNITests", ["Addressing", "CNI", "JSON", "Linux"]),
    tests("AddressStoreTests", ["Addressing", "AddressStore", "Linux"]),
    tests("HostLocalTests", ["Addressing", "Linux"]),
    tests("ConformanceTests", []),
    tests("GoldenTests", []),
    tests("CrashTests", ["Linux"]),
    tests("TuningTests", []),
    tests("CnictlTests", []),
    tests("OverlayTests", ["Etcd", "JSON"]),
    tests("RegistryTests", ["Addressing", "Claims", "JSON", "Overlay"]),
    tests("VxlanTests", ["Addressing", "JSON", "Linux"]),
    tests("RuntimeTests", ["CLinux", "Linux"]),
    .executableTarget(
        name: "Benchmarks",
        dependencies: ["Linux"],
        path: "Tests/Benchmarks",
        exclude: ["floor"],
        swiftSettings: common
    ),
]

/// What the package makes: all of it, or only what is shipped.
let package = Package(
    name: "swift-cni",
    products: executables.map { .executable(name: $0.name, targets: [$0.target.name]) },
    targets: libraries + executables.map { $0.target } + (isEmbedded ? [] : development)
)
