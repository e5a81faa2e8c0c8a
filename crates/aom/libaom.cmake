# Read by libaom's build through CMAKE_TOOLCHAIN_FILE (see .cargo/config.toml). Deskside encodes 8-bit pictures in real
# time only: the rest of libaom is left out, which halves its build time. Optimised in every cargo profile.
set(CMAKE_C_FLAGS_DEBUG_INIT "-O2")
set(CMAKE_CXX_FLAGS_DEBUG_INIT "-O2")
set(CONFIG_REALTIME_ONLY 1 CACHE STRING "" FORCE)
set(CONFIG_AV1_HIGHBITDEPTH 0 CACHE STRING "" FORCE)
