"""Says on the local network, by multicast DNS, that `minerva.local` is this machine."""

from __future__ import annotations

import logging
import socket

from zeroconf import IPVersion, ServiceInfo, Zeroconf

from minerva_site.configuration import Configuration
from minerva_site.sharing import LAN_NAME, lan_addresses

logger = logging.getLogger(__name__)


class Announcement:
    """On from `start` to `stop`. A network that does not take it is no reason to fail."""

    def __init__(self) -> None:
        self._zeroconf: Zeroconf | None = None

    def start(self, configuration: Configuration, *, port: int) -> None:
        self.stop()
        addresses = [one for one in lan_addresses(configuration) if "." in one]
        if not addresses:
            return
        kind = "_https._tcp.local." if configuration.serves_https else "_http._tcp.local."
        info = ServiceInfo(
            kind,
            f"Minerva on {socket.gethostname().split('.')[0]}.{kind}",
            addresses=[socket.inet_aton(one) for one in addresses],
            port=port,
            server=f"{LAN_NAME}.",
        )
        try:
            self._zeroconf = Zeroconf(interfaces=addresses, ip_version=IPVersion.V4Only)
            self._zeroconf.register_service(info, allow_name_change=True)
        except Exception:
            logger.exception("%s is not announced on the network", LAN_NAME)
            self.stop()

    def stop(self) -> None:
        if self._zeroconf is not None:
            self._zeroconf.close()
            self._zeroconf = None
