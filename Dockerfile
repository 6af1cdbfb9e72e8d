# Beforehand as an image: agent and desk in an environment of their own, as an ordinary user.
#   docker build -t beforehand .
#   docker run --network host --pid host --read-only --volume beforehand:/var/lib/beforehand beforehand
# --network host, because agent and desk listen on loopback; --pid host, to see the processes of the host.

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY . .
# The wheel first, so that what ships is what a wheel holds and not the tree.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/beforehand \
    && /opt/beforehand/bin/pip install --no-cache-dir "$(echo /wheels/beforehand-*.whl)[desk]"

FROM python:3.11-slim-bookworm
RUN useradd --user-group --uid 10465 --no-create-home \
        --home-dir /var/lib/beforehand --shell /usr/sbin/nologin beforehand \
    && install --directory --owner beforehand --group beforehand --mode 0700 /var/lib/beforehand
COPY --from=build /opt/beforehand /opt/beforehand
COPY agent/defaults/*.yaml /etc/beforehand/
ENV PATH=/opt/beforehand/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10465
VOLUME ["/var/lib/beforehand"]
EXPOSE 9465 9466 9467
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:9465/-/healthy', timeout=3)"]
CMD ["beforehand", "run", "--config", "/etc/beforehand", "--state", "/var/lib/beforehand"]
