// SPDX-License-Identifier: Apache-2.0

import Support

/// Certificates that openssl makes for one test.
final class Certificates {
    private let directory: TemporaryDirectory
    let authority: String
    private let (certificate, key): (String, String)

    init() throws {
        directory = try TemporaryDirectory()
        (authority, certificate, key) = (directory.path("ca.crt"), directory.path("m.crt"), directory.path("m.key"))
        try directory.write("subjectAltName=IP:192.168.9.101", to: "names")
        let names = directory.path("names")
        let request = directory.path("m.csr")
        let authorityKey = directory.path("ca.key")
        for line in [
            "req -x509 -newkey rsa:2048 -nodes -keyout \(authorityKey) -out \(authority) -subj /CN=test -days 2",
            "req -newkey rsa:2048 -nodes -keyout \(key) -out \(request) -subj /CN=etcd",
            "x509 -req -in \(request) -CA \(authority) -CAkey \(authorityKey) -CAcreateserial -out \(certificate) -days 2 -extfile \(names)",
        ] {
            var process = PluginProcess(
                Programs.path("openssl") ?? "openssl",
                arguments: line.split(separator: " ").map { String($0) }
            )
            process.environment = ["PATH": "/usr/bin:/bin", "HOME": directory.path]
            let outcome = try process.run()
            if outcome.exitCode != 0 { throw ProgramTrouble(description: outcome.stderrText) }
        }
    }

    /// What etcd is started with.
    var server: [String] { ["--cert-file", certificate, "--key-file", key] }
}
