# ws_layer(NAME SOURCES... [USES libs...]): one static library per layer. What it links is what it
# may include; linking is the architecture.
function(ws_layer name)
        cmake_parse_arguments(L "" "" "SOURCES;USES;PRIVATE" ${ARGN})
        add_library(${name} STATIC ${L_SOURCES})
        target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
        target_link_libraries(${name} PUBLIC ${L_USES} PRIVATE ws_warnings ws_hardening ws_sanitize
                ${L_PRIVATE})
endfunction()

# ws_program(NAME SOURCES... USES libs...): an executable of ours.
function(ws_program name)
        cmake_parse_arguments(P "" "" "SOURCES;USES" ${ARGN})
        add_executable(${name} ${P_SOURCES})
        target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
        target_link_libraries(${name} PRIVATE ${P_USES} ws_warnings ws_hardening ws_sanitize)
endfunction()

# ws_test(NAME LABEL label SOURCES... USES libs...): a C test program; exit code 0 is a pass.
function(ws_test name)
        cmake_parse_arguments(T "" "LABEL;TIMEOUT" "SOURCES;USES" ${ARGN})
        add_executable(${name} ${T_SOURCES})
        target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
        target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
        target_link_libraries(${name} PRIVATE ${T_USES} ws_warnings ws_sanitize)
        add_test(NAME ${T_LABEL}/${name} COMMAND ${name})
        if(NOT T_TIMEOUT)
                set(T_TIMEOUT 60)
        endif()
        set_tests_properties(${T_LABEL}/${name} PROPERTIES LABELS ${T_LABEL} TIMEOUT ${T_TIMEOUT})
endfunction()
