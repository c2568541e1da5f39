// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

@testable import CNI

/// The hash of FIPS 180-4, against its published examples and against coreutils.
@Suite(.seeded) struct SHA512Tests {
    @Test(arguments: [
        (
            "",
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                + "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
        ),
        (
            "abc",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335"
                + "96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445"
        ),
        (
            "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                + "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
                + "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"
        ),
    ])
    func thePublishedExamples(text: String, hash: String) {
        #expect(SHA512.hexadecimal(of: Array(text.utf8)) == hash)
    }

    @Test func aMillionTimesTheLetterA() {
        let hash =
            "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
            + "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b"
        #expect(SHA512.hexadecimal(of: [UInt8](repeating: 0x61, count: 1_000_000)) == hash)
    }

    @Test(.enabled(if: Programs.path("sha512sum") != nil, "needs sha512sum of coreutils"))
    func anyLengthIsHashedAsCoreutilsDoes() throws {
        var generator = SeededGenerator("anyLengthIsHashedAsCoreutilsDoes")
        // All lengths about the ends of blocks, as files of one directory so that one program reads them all.
        let directory = try TemporaryDirectory()
        let lengths = Array(0...260) + [1023, 1024, 4095, 10_000]
        var hashes: [String] = []
        for length in lengths {
            let bytes = generator.bytes(length).map { $0 & 0x7f }
            try directory.write(String(decoding: bytes, as: UTF8.self), to: "\(length)")
            hashes.append(SHA512.hexadecimal(of: bytes))
        }
        let program = try #require(Programs.path("sha512sum"))
        let outcome = try PluginProcess(program, arguments: lengths.map { directory.path("\($0)") }).run()
        let theirs = outcome.stdoutText.split(separator: "\n").map { String($0.prefix(128)) }
        #expect(theirs == hashes)
    }
}
