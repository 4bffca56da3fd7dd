# Who leads.
set(here ${CMAKE_CURRENT_LIST_DIR})
ws_test(test_lead LABEL unit SOURCES ${here}/test_lead.c USES controller_lead)
# One that goes on leading whatever it is told, and one that does not look at the end of its lease:
# the test above must notice.
foreach(defect KEEPS_LEADING NO_END)
        string(TOLOWER test_lead_planted_${defect} name)
        ws_test(${name} LABEL unit SOURCES ${here}/test_lead.c ${here}/../../controller/lead/lead.c
                USES controller_headers ws_base)
        target_compile_definitions(${name} PRIVATE LEAD_PLANTED_${defect})
        set_tests_properties(unit/${name} PROPERTIES WILL_FAIL ON)
endforeach()
