include(GNUInstallDirs)

option(WS_WERROR "Treat warnings as errors" OFF)
option(WS_FUZZ "Build the libFuzzer harnesses (clang only)" OFF)
option(WS_COVERAGE "Build for gcov" OFF)
option(WS_ANALYZE "Build with the compiler's static analyser (gcc -fanalyzer)" OFF)
set(WS_SANITIZE "" CACHE STRING "Sanitizers, comma separated: address,undefined or thread")
