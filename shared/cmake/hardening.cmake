# Hardening of delivered programs. Asserts stay on in every build type.
add_library(ws_hardening INTERFACE)
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
target_compile_options(ws_hardening INTERFACE -fstack-protector-strong -fno-strict-overflow
        -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
set(ws_flags -fstack-clash-protection -fcf-protection=full)
if(NOT WS_ANALYZE) # the analyser reads the zeroing as a use of what is not initialised
        list(APPEND ws_flags -ftrivial-auto-var-init=zero)
endif()
foreach(flag IN LISTS ws_flags)
        string(MAKE_C_IDENTIFIER "HAVE${flag}" var)
        check_c_compiler_flag(${flag} ${var})
        if(${var})
                target_compile_options(ws_hardening INTERFACE ${flag})
        endif()
endforeach()
if(NOT WS_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
        target_compile_options(ws_hardening INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
target_link_options(ws_hardening INTERFACE LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack
        LINKER:--as-needed)
