"""The section `source.fetch` of `corpus.yaml`: what `longtake fetch` gets from the web, and how politely."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from longtake.schemas.settings import Section

_LANGUAGE = r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8})*$"


class Fetch(Section):
    """Where the URLs are, what is kept of a run, and the bounds of each request. Limits hold in each process."""

    urls: str  # files of URLs, one on each line, or of records with "url"
    folder: str = Field("fetched", min_length=1)  # a record of each video, the ledger, and what is half done
    languages: tuple[Annotated[str, Field(pattern=_LANGUAGE)], ...] = ()  # of captions; none: text.languages, else en
    automatic_captions: bool = True  # where no person made any
    licences: tuple[Annotated[str, Field(min_length=1)], ...] = ()  # patterns as "Creative Commons*"; none: any licence
    concurrency: int = Field(8, ge=1, le=256)  # videos at a time
    per_host: int = Field(2, ge=1, le=64)  # of them from one host
    per_second: float | None = Field(None, gt=0)  # videos that start in a second, from one host
    attempts: int = Field(4, ge=1, le=20)  # for one video in one run
    backoff_seconds: float = Field(2.0, ge=0)  # before the second attempt, doubled each time
    max_wait_seconds: float = Field(600.0, ge=0)  # a server that asks for a longer pause is given up for this run
    seconds: float = Field(3600.0, gt=0)  # wall clock of one attempt
    answer_seconds: float = Field(30.0, gt=0)  # without a byte
    min_bytes_per_second: int = Field(1000, ge=0)  # on average over answer_seconds
    max_bytes: int = Field(16 << 30, ge=1)  # of one video
    redirects: int = Field(5, ge=0, le=30)
    cookies: str | None = None  # a file in the format of Netscape, as browsers and curl export it
    proxy: str | None = None
    user_agent: str | None = Field(None, min_length=1, max_length=300)
    allow_private: bool | tuple[str, ...] = False  # true: any address; or networks as 10.1.0.0/16

    @field_validator("proxy")
    @classmethod
    def _proxy_is_a_url(cls, proxy: str | None) -> str | None:
        if proxy is not None:
            parts = urlsplit(proxy)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("it must be as http://host:port")
        return proxy

    @field_validator("allow_private")
    @classmethod
    def _networks_are_sound(cls, networks: bool | tuple[str, ...]) -> bool | tuple[str, ...]:
        for network in () if isinstance(networks, bool) else networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(f"{error}; write networks as 10.1.0.0/16") from None
        return networks
