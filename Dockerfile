# The router with the plugins of this repository. docs/deploying.md says how to build and run it.
#
#   docker build -t tornado-router .
#   docker build -t tornado-router --build-arg PLUGINS="acme-router-plugin==1.2" .

FROM python:3.13-slim-trixie AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

# Without pip: what serves has no use for it.
RUN python -m venv --without-pip /opt/router

WORKDIR /src

# Of known versions, and of files with known hashes.
COPY requirements.lock .
RUN pip --python /opt/router/bin/python install --require-hashes --requirement requirements.lock

COPY . .

# In one step: alone, a plugin would ask the index for the core. All that they need is there.
# hadolint ignore=DL3013
RUN pip --python /opt/router/bin/python install ".[otel,prices,postgres]" ./plugins/*/

# More plugins, as pip takes them; several are set apart by spaces.
ARG PLUGINS=""

# What is pinned is up to PLUGINS, and several have to be several words.
# hadolint ignore=DL3013,SC2086
RUN test -z "${PLUGINS}" || pip --python /opt/router/bin/python install ${PLUGINS}



FROM python:3.13-slim-trixie

LABEL org.opencontainers.image.title="Tornado Router" \
      org.opencontainers.image.description="One server in front of every LLM provider, speaking the OpenAI API." \
      org.opencontainers.image.licenses="Apache-2.0"

# The root file system may be read-only: what the router keeps is in /data.
ENV PATH=/opt/router/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# What router.toml, if it is not replaced, takes from the environment.
ENV HOST=0.0.0.0 \
    PORT=3000 \
    DB_PATH=/data/router.db \
    REGISTRATION=closed

RUN install --directory --owner=10001 --group=10001 --mode=0750 /data

COPY --from=build /opt/router /opt/router
WORKDIR /etc/tornado-router
COPY router.toml .

USER 10001:10001
VOLUME ["/data"]
EXPOSE 3000

HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --start-interval=2s --retries=3 \
    CMD ["tornado-router", "health"]

ENTRYPOINT ["tornado-router"]
CMD ["serve"]
