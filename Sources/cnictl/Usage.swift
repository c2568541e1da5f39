// SPDX-License-Identifier: Apache-2.0

/// What each command is told and does, for people.
enum Usage {
    /// All commands on one page.
    static let overview = """
        cnictl calls CNI plugins as a container runtime does.

        usage: cnictl add|check|del NETWORK NETNS [--json]
               cnictl gc NETWORK [--keep CONTAINERID/IFNAME]... [--json]
               cnictl status NETWORK [--json]
               cnictl try FILE.conflist [--publish HOSTPORT:CONTAINERPORT[/PROTO]]... [--json]
               cnictl try FILE.conflist --hosts N [--network NETWORK[,NETWORK6]] [--json]
               cnictl version
               cnictl help

          add      attach the namespace at the path NETNS to a network, and print the result
          check    see whether it is still attached as it was left
          del      detach it
          gc       detach everything of a network but what is to be kept
          status   ask whether the network can take containers
          try      rehearse a network with two containers on a private host, or with one on each of several, of which
                   nothing remains
          version  print the versions of this program and of the protocol

        cnictl COMMAND --help tells more.
        """

    private static let environment = """
        environment:
          NETCONFPATH  where the networks are described, /etc/cni/net.d if unset
          CNI_PATH     where the plugins are, with colons between directories, /opt/cni/bin if unset
          CNI_IFNAME   the name of the interface in the container, eth0 if unset
          CNI_ARGS     pairs for the plugins, such as "IP=10.1.0.5;IgnoreUnknown=1"
          CAP_ARGS     a JSON object with what capabilities are given, such as {"mac":"02:00:00:00:00:05"}

        options:
          --json       print an error as the CNI error object on standard output
        """

    /// The page of one command; nothing if there is no such command.
    static func page(of command: String) -> String? {
        switch command {
        case "", "help": overview
        case "add", "check", "del":
            """
            usage: cnictl \(command) NETWORK NETNS [--json]

            \(explanation(of: command))
            NETWORK is the name inside a file of NETCONFPATH; NETNS is a path such as /run/netns/blue.
            The identifier of the container is made from that path, as cnitool makes it.

            \(environment)
            """
        case "gc":
            """
            usage: cnictl gc NETWORK [--keep CONTAINERID/IFNAME]... [--json]

            Detaches every container of the network of which /var/lib/cni/results knows, then has each plugin remove
            what is left of others. Without --keep, nothing of the network survives.

            \(environment)
              --keep       an attachment to leave alone; can be given more than once
            """
        case "status":
            """
            usage: cnictl status NETWORK [--json]

            Asks each plugin whether it could take a container now. Networks before version 1.1.0 cannot be asked.

            \(environment)
            """
        case "try":
            """
            usage: cnictl try FILE.conflist [--publish HOSTPORT:CONTAINERPORT[/PROTO]]... [--json]
                   cnictl try FILE.conflist --hosts N [--network NETWORK[,NETWORK6]] [--json]

            Makes a private host with a neighbour and two containers, attaches both to the network, shows what came to be,
            sends packets through it, detaches both, and reports what is left behind. The machine itself is not touched.
            Where a plugin has the capability portMappings, a port of the host leads to the first container, and is
            tried from the host, its neighbour and the second container.

            With several hosts, a network whose plugin vxlan leads from host to host is rehearsed with a container on each:
            the hosts are on one link, and have the addresses that the file gives the first N of its peers, or its members
            of etcd. These members and overlayd on each host are started privately, and overlayd must be beside the plugins; so
            is FRR where controlPlane is external.
            Every container is tried from every other host and its container, and with packets of full size. Where
            something does not get through, the step names the pair, and what is missing on which host.

            Ends with 0 only if everything worked and nothing is left. Needs root.

            environment:
              CNI_PATH     where the plugins are; if unset, beside cnictl if all are there, and else /opt/cni/bin
              CNI_IFNAME   the name of the interface in the containers, eth0 if unset
              NO_COLOR     if set, no colours on a terminal

            options:
              --publish    the port of the host and that of the first container, tcp or udp; 8080:80 if there is none
              --hosts      how many private hosts there are, 1 to 9; 1 if it is not given
              --network    what the hosts' subnets in etcd are parts of; 10.5.0.0/16 if it is not given
              --json       print one JSON document instead of text
            """
        case "version": "usage: cnictl version"
        default: nil
        }
    }

    private static func explanation(of command: String) -> String {
        switch command {
        case "add": "Attaches a network namespace to a network and prints the result."
        case "check": "Sees whether a network namespace is still attached to a network as ADD left it."
        default: "Detaches a network namespace from a network; that nothing was attached is no error."
        }
    }
}
